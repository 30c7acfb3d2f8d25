#pragma once

#include <optional>

#include "sidecar/proxy/call.h"

// How long a request may take, as route, chain and caller say. The clocks that hold it to that are
// in clocks.h.
namespace tulle::proxy {

// The grpc-timeout that the caller sent; empty: none. Read before SendTimeLeft overwrites it.
std::optional<loop::Duration> CallerTimeout(Call& call);

// Request and response together. Source: RouteAction.max_stream_duration, and
// HttpProtocolOptions' where the route has none. Zero: no bound.
loop::Duration AllowedDuration(Call& call);

// How long a response to this attempt is of use to the caller; empty: no bound is known.
std::optional<loop::Duration> TimeLeft(Call& call);

// The next hop need not work on what no one waits for any more: its request states the time that is
// left, less with each attempt. Source: Envoy's x-envoy-expected-rq-timeout-ms; gRPC over HTTP/2,
// grpc-timeout.
void SendTimeLeft(Call& call);

// Without a byte in either direction. RouteAction.idle_timeout, else
// HttpConnectionManager.stream_idle_timeout. Zero: no bound.
loop::Duration IdleTimeout(const Call& call);

}  // namespace tulle::proxy
