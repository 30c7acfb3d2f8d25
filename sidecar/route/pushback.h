#pragma once

#include <chrono>
#include <optional>

#include "net/http/head.h"
#include "sidecar/route/route_spec.h"

namespace tulle::route {

// What an answer that is to be retried says about when.
struct Pushback {
  bool refused = false;                             // not again at all
  std::optional<std::chrono::milliseconds> wait{};  // at least this long; else the usual back-off
};

// Source: RetryPolicy.rate_limited_retry_back_off, whose first header that can be read counts; and
// grpc-retry-pushback-ms of gRPC's retry design (A6), where anything but a number from 0 up means
// no. Waits longer than the policy's most are not heeded.
Pushback PushbackOf(const RetrySpec& retry, const http::Head& answer,
                    std::chrono::system_clock::time_point now);

}  // namespace tulle::route
