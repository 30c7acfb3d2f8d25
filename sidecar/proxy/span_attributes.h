#pragma once

#include <span>
#include <string_view>

#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/otlp_span.h"

// Names and attributes of a request's spans. Source: OpenTelemetry's semantic conventions for HTTP
// and RPC; what they have no name for is named tulle.*, or as Envoy names it.
namespace tulle::proxy {

// In `scratch` or static. Few, since collectors group by them: neither a path nor a host is one.
std::string_view ServerSpanName(const DecisionRecord& record, std::span<char> scratch);
std::string_view ClientSpanName(const DecisionRecord& record);

void PutServerAttributes(const EndedRequest& request, telemetry::SpanWriter& span);
// `number`: 0 for the first attempt. `is_last`: the outcome of the request is that of the attempt.
void PutClientAttributes(const EndedRequest& request, const AttemptTrace& attempt, uint64_t number,
                         bool is_last, telemetry::SpanWriter& span);
void PutMeshTime(std::chrono::nanoseconds mesh, telemetry::SpanWriter& span);

}  // namespace tulle::proxy
