// Traces as the API lists them, also for who adds up the lists of several control planes. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "control-plane/api/api.h"
#include "control-plane/insight/trace_summary.h"

namespace tulle::api {

inline constexpr size_t kMostTraces = 1000;  // of one answer

struct TraceQuery {
  insight::TraceFilter filter;
  size_t limit = 50;
};

// The parameters of /v1/traces. Nothing: *refusal is set.
std::optional<TraceQuery> ReadTraceQuery(const std::map<std::string, std::string>& texts,
                                         ApiResponse* refusal);

nlohmann::json SummaryJson(const insight::TraceSummary& trace);
// What SummaryJson() has written. What is missing or of another type is left empty.
insight::TraceSummary ReadSummary(const nlohmann::json& json);

}  // namespace tulle::api
