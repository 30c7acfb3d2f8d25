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
#include <utility>
#include <vector>

namespace tulle::insight {

using SpanAttributes = std::vector<std::pair<std::string, std::string>>;

// What happened during a span, such as a retry.
struct SpanEvent {
  uint64_t at_ns = 0;
  std::string name;
  SpanAttributes attributes;
};

struct Span {
  std::string trace_id;   // hex
  std::string span_id;    // hex
  std::string parent_id;  // hex; empty: a root
  std::string name;
  std::string kind;      // "server", "client", or another OTLP kind
  std::string service;   // from the resource
  std::string reporter;  // SPIFFE ID of the sender
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  bool is_error = false;
  SpanAttributes attributes;
  std::vector<SpanEvent> events;
};

struct Trace {
  std::string id;
  std::vector<Span> spans;  // by start
};

class TraceRing {
 public:
  static constexpr size_t kMostSpans = 20000;
  static constexpr size_t kMostBytes = 16 * 1024 * 1024;
  // While there is no room for more, so that none pushes out the spans of all others.
  static constexpr size_t kMostOfOne = kMostSpans / 10;

  // The bytes of an ExportTraceServiceRequest. False: invalid.
  bool Add(std::string_view request, const std::string& reporter);
  // Newest first; at most `most`.
  std::vector<Trace> Newest(size_t most) const;
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
