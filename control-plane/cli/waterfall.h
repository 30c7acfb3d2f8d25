// A trace as bars on a common axis of time. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Lines for a terminal of `width` columns; 0: 100. `trace`: of GET /v1/traces/{id}.
std::string WaterfallOf(const Json& trace, size_t width);

}  // namespace tulle::cli
