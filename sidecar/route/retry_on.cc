#include "sidecar/route/retry_on.h"

#include <charconv>

namespace tulle::route {
namespace {

struct Word {
  std::string_view text;
  RetryOn bit;
};

constexpr Word kWords[] = {
    {"5xx", kRetryOn5xx},
    {"gateway-error", kRetryOnGatewayError},
    {"reset", kRetryOnReset},
    {"reset-before-request", kRetryOnResetBeforeRequest},
    {"connect-failure", kRetryOnConnectFailure},
    {"refused-stream", kRetryOnRefusedStream},
    {"envoy-ratelimited", kRetryOnEnvoyRateLimited},
    {"retriable-4xx", kRetryOnRetriable4xx},
    {"retriable-status-codes", kRetryOnRetriableStatusCodes},
    {"retriable-headers", kRetryOnRetriableHeaders},
    {"http3-post-connect-failure", kRetryOnHttp3PostConnectFailure},
    {"cancelled", kRetryOnGrpcCancelled},
    {"deadline-exceeded", kRetryOnGrpcDeadlineExceeded},
    {"internal", kRetryOnGrpcInternal},
    {"resource-exhausted", kRetryOnGrpcResourceExhausted},
    {"unavailable", kRetryOnGrpcUnavailable},
};

void TakeWord(std::string_view word, RetryConditions& conditions) {
  for (const Word& known : kWords) {
    if (known.text == word) {
      conditions.bits |= known.bit;
      return;
    }
  }
  uint32_t status = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), status);
  if (error == std::errc() && end == word.data() + word.size() && status >= 100 && status < 600) {
    conditions.bits |= kRetryOnRetriableStatusCodes;
    conditions.statuses.push_back(status);
  } else {
    conditions.unknown.emplace_back(word);
  }
}

}  // namespace

RetryConditions ParseRetryOn(std::string_view text) {
  RetryConditions conditions;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t first = word.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    word = word.substr(first, word.find_last_not_of(" \t") - first + 1);
    TakeWord(word, conditions);
  }
  return conditions;
}

}  // namespace tulle::route
