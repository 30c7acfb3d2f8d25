#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::route {

// The values of RetryPolicy.retry_on and x-envoy-retry-(grpc-)on: when an attempt may be retried.
enum RetryOn : uint32_t {
  kRetryOn5xx = 1u << 0,
  kRetryOnGatewayError = 1u << 1,  // 502, 503, 504
  kRetryOnReset = 1u << 2,
  kRetryOnResetBeforeRequest = 1u << 3,
  kRetryOnConnectFailure = 1u << 4,
  kRetryOnRefusedStream = 1u << 5,
  kRetryOnEnvoyRateLimited = 1u << 6,
  kRetryOnRetriable4xx = 1u << 7,  // 409
  kRetryOnRetriableStatusCodes = 1u << 8,
  kRetryOnRetriableHeaders = 1u << 9,
  kRetryOnHttp3PostConnectFailure = 1u << 10,
  kRetryOnGrpcCancelled = 1u << 11,
  kRetryOnGrpcDeadlineExceeded = 1u << 12,
  kRetryOnGrpcInternal = 1u << 13,
  kRetryOnGrpcResourceExhausted = 1u << 14,
  kRetryOnGrpcUnavailable = 1u << 15,
};

struct RetryConditions {
  uint32_t bits = 0;                 // of RetryOn
  std::vector<uint32_t> statuses;    // plain status codes in the list
  std::vector<std::string> unknown;  // unknown values: ignored
};

// Comma-separated values; blanks around them are ignored.
RetryConditions ParseRetryOn(std::string_view text);

}  // namespace tulle::route
