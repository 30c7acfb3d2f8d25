// The traces that several replicas list, as one answer (replicas.h). Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "control-plane/api/trace_json.h"
#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Of /v1/traces without conditions, which a replica that has a part of a trace cannot judge: they
// are applied to the sums.
Json MergedTraces(const std::vector<Json>& answers, const api::TraceQuery& query);

}  // namespace tulle::cli
