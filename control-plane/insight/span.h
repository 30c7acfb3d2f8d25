// One span of a trace, as sidecars report it.
#pragma once

#include <cstdint>
#include <string>
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

}  // namespace tulle::insight
