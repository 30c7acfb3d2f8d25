#pragma once

#include <chrono>
#include <optional>

#include "net/http/head.h"
#include "sidecar/route/route_spec.h"

namespace tulle::route {

// When a response that will be retried allows the next attempt.
struct Pushback {
  bool refused = false;                             // do not retry
  std::optional<std::chrono::milliseconds> wait{};  // minimum delay; otherwise the usual back-off
};

// Source: RetryPolicy.rate_limited_retry_back_off, whose first valid header counts; and
// grpc-retry-pushback-ms of gRPC's retry design (A6), where anything except a non-negative number
// means "do not retry". Delays longer than the policy's maximum are ignored.
Pushback PushbackOf(const RetrySpec& retry, const http::Head& answer,
                    std::chrono::system_clock::time_point now);

}  // namespace tulle::route
