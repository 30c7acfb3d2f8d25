#pragma once

#include "sidecar/proxy/ended.h"
#include "telemetry/otlp_span.h"

namespace tulle::proxy {

// Nanoseconds since the epoch at a moment of the loop's clock.
uint64_t WallNanoseconds(const DecisionRecord& record, loop::Instant at);

// What a request met on its way, as events of its server span: retries and why there was none,
// circuit breakers, limits, injected faults. At most 32, the first ones.
void PutEvents(const EndedRequest& request, telemetry::SpanWriter& span);

}  // namespace tulle::proxy
