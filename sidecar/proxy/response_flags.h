#pragma once

#include <span>
#include <string_view>

#include "sidecar/proxy/decision_record.h"

namespace tulle::proxy {

// Envoy's flags of a request, joined by commas ("UF,URX"), or "-". In `scratch` or static.
std::string_view ResponseFlags(const DecisionRecord& record, std::span<char> scratch);
// The same with long names ("UpstreamConnectionFailure,UpstreamRetryLimitExceeded").
std::string_view LongResponseFlags(const DecisionRecord& record, std::span<char> scratch);

// "0" to "16" as a number; -1: none or no such status.
int GrpcStatusNumber(std::string_view text);
// "OK", "Unavailable"; empty for -1.
std::string_view GrpcStatusName(int status);
// "UNAVAILABLE".
std::string_view GrpcStatusConstant(int status);

}  // namespace tulle::proxy
