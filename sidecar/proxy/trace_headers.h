#pragma once

#include <cstdint>
#include <optional>

#include "net/http/header_map.h"
#include "telemetry/b3.h"
#include "telemetry/trace_context.h"

namespace tulle::proxy {

// How a request names its trace in B3 headers, so that they can be written again alike.
struct B3Style {
  bool single = false;    // b3
  bool several = false;   // x-b3-*
  bool is_wide = false;   // trace ids of 128 bits
  bool is_debug = false;  // the caller asked for debugging

  bool any() const { return single || several; }
};

// What the trace headers of a request say. Source: W3C Trace Context and Baggage; B3 propagation.
struct TraceHeaders {
  std::optional<telemetry::TracePoint> parent;  // of the one valid traceparent
  std::optional<telemetry::B3Point> b3;         // of valid B3 headers
  B3Style b3_style;                             // of these
};

// Reads them, and removes what is invalid, too long or repeated, except traceparent itself.
TraceHeaders TakeTraceHeaders(http::HeaderMap& headers);

// Replaces the B3 headers by ones in that style, for the span of `context`. `parent` 0: it has
// none, or it is unknown. Does nothing without a style.
void SetB3Headers(const B3Style& style, const telemetry::TracePoint& context, uint64_t parent,
                  http::HeaderMap& headers);

}  // namespace tulle::proxy
