// What a list says of a trace, and which traces somebody looks for. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/insight/span.h"

namespace tulle::insight {

struct TraceSummary {
  std::string id;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  // Its first span says what it is about: the earliest whose parent is not known.
  bool has_root = false;  // the first span has no parent at all
  uint64_t first_start_ns = 0;
  std::string method;
  std::string path;
  std::string name;
  std::string status;     // as the span has it; empty: there was no response
  bool is_error = false;  // the first span failed
  bool has_errors = false;
  std::vector<std::string> services;  // by start, at most 32
  size_t spans = 0;
  uint64_t sidecar_micros = 0;  // tulle.mesh.microseconds of its server spans
};

// REQUIRES: there are some, all of one trace.
TraceSummary SummaryOf(std::vector<const Span*> spans);

// Adds what another control plane knows of the same trace.
void AddTo(TraceSummary* summary, TraceSummary other);

// All conditions hold. Those of path and status are about the first span.
struct TraceFilter {
  std::string id;       // how it begins
  std::string service;  // how the name of one of its services begins
  std::string path;     // how it begins
  uint32_t lowest_status = 0;
  uint32_t highest_status = 0;  // 0: any
  bool failed_only = false;     // some span failed
  uint64_t at_least_ns = 0;

  bool Matches(const TraceSummary& trace) const;
};

}  // namespace tulle::insight
