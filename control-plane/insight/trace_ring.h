// The newest spans reported by sidecars, in memory only. Limited by number and bytes: the oldest
// are dropped first; of a reporter that has a tenth of the number or of the bytes, its own. Owner:
// ControlPlane. Thread: the loop's.
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
  static constexpr size_t kMostBytesOfOne = kMostBytes / 10;
  // Of the texts of a span, with their places; attributes and events beyond are left out.
  static constexpr size_t kLargestSpan = 16 * 1024;

  // The bytes of an ExportTraceServiceRequest. False: invalid.
  bool Add(std::string_view request, const std::string& reporter);
  // Looks at all spans: some milliseconds.
  FoundTraces Search(const TraceFilter& filter, size_t most) const;
  std::optional<Trace> Find(std::string_view id) const;
  size_t size() const { return spans_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using Spans = std::list<Span>;
  struct Share {
    std::deque<Spans::iterator> spans;  // in order of arrival
    size_t bytes = 0;
    bool is_large() const { return spans.size() > kMostOfOne || bytes > kMostBytesOfOne; }
  };

  void Push(Span span);
  void Drop(Spans::iterator span);

  Spans spans_;                                         // in order of arrival
  std::unordered_map<std::string, Share> of_reporter_;  // none is empty
  size_t bytes_ = 0;
};

}  // namespace tulle::insight
