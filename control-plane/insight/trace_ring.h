// The newest spans reported by sidecars, in memory only. Limited by number and bytes: the oldest
// are dropped first; of a reporter that has a tenth of them, its own. Owner: ControlPlane. Thread:
// the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control-plane/insight/span.h"
#include "control-plane/insight/trace_summary.h"

namespace tulle::insight {

// What a search has found.
struct FoundTraces {
  std::vector<TraceSummary> traces;  // the newest first
  size_t matching = 0;               // of those that are known, also beyond the wanted number
  size_t known = 0;
};

class TraceRing {
 public:
  static constexpr size_t kMostSpans = 20000;
  static constexpr size_t kMostBytes = 16 * 1024 * 1024;
  // While there is no room for more, so that none pushes out the spans of all others.
  static constexpr size_t kMostOfOne = kMostSpans / 10;

  // The bytes of an ExportTraceServiceRequest. False: invalid.
  bool Add(std::string_view request, const std::string& reporter);
  // Looks at all spans: some milliseconds.
  FoundTraces Search(const TraceFilter& filter, size_t most) const;
  std::optional<Trace> Find(std::string_view id) const;
  size_t size() const { return spans_.size(); }

 private:
  using Spans = std::list<Span>;

  void Push(Span span);
  void Drop(Spans::iterator span);

  Spans spans_;  // in order of arrival
  // Those of each reporter in this order; none is empty.
  std::unordered_map<std::string, std::deque<Spans::iterator>> of_reporter_;
  size_t bytes_ = 0;
};

}  // namespace tulle::insight
