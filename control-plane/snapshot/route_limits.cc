#include "control-plane/snapshot/route_limits.h"

#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::Protocol;
using policy::RouteRule;
using std::chrono::milliseconds;

// Only unprocessed requests are retried when no policy says otherwise.
constexpr char kRetryOnUnprocessed[] = "connect-failure,refused-stream";
constexpr milliseconds kBackoffBase{25};
constexpr milliseconds kBackoffMax{250};
// A longer Retry-After is cut to this.
constexpr milliseconds kLongestWaitAsked{10000};

std::string RetryWords(const policy::RetryPolicy& retries, bool has_codes) {
  std::string words;
  for (const std::string& word : retries.on) words += (words.empty() ? "" : ",") + word;
  if (words.empty()) words = kRetryOnUnprocessed;
  if (has_codes) words += ",retriable-status-codes";
  return words;
}

uint32_t AttemptsOf(const RouteRule* rule, const policy::ResiliencePolicy& policy) {
  if (rule != nullptr && rule->retry && rule->retry->attempts) return *rule->retry->attempts;
  return policy.retries.attempts.value_or(kRetryAttempts);
}

milliseconds PerTryOf(const RouteRule* rule, const policy::ResiliencePolicy& policy) {
  if (rule != nullptr && rule->backend_request_timeout) return *rule->backend_request_timeout;
  return policy.timeouts.per_try.value_or(milliseconds(0));
}

milliseconds RequestOf(const RouteRule* rule, const policy::ResiliencePolicy& policy) {
  if (rule != nullptr && rule->request_timeout) return *rule->request_timeout;
  return policy.timeouts.request.value_or(milliseconds(0));
}

}  // namespace

// Envoy knows a limit of one try only as part of a retry policy.
bool TryBoundsRequest(const RouteRule* rule, const policy::ResiliencePolicy& policy) {
  const milliseconds request = RequestOf(rule, policy);
  const milliseconds per_try = PerTryOf(rule, policy);
  return AttemptsOf(rule, policy) == 0 && per_try.count() > 0 &&
         (request.count() == 0 || per_try < request);
}

// The route's own word wins field by field over the ResiliencePolicy.
void SetRetries(const RouteRule* rule, const policy::ResiliencePolicy& policy,
                routev3::RouteAction* action) {
  const policy::RouteRetry own =
      rule != nullptr ? rule->retry.value_or(policy::RouteRetry()) : policy::RouteRetry();
  const uint32_t attempts = AttemptsOf(rule, policy);
  if (attempts == 0) return;
  const std::vector<uint32_t>& codes = own.codes.empty() ? policy.retries.codes : own.codes;
  routev3::RetryPolicy* retry = action->mutable_retry_policy();
  retry->set_retry_on(RetryWords(policy.retries, !codes.empty()));
  retry->mutable_num_retries()->set_value(attempts);
  for (const uint32_t code : codes) retry->add_retriable_status_codes(code);
  const milliseconds base =
      own.backoff.value_or(policy.retries.backoff_base.value_or(kBackoffBase));
  SetDuration(base, retry->mutable_retry_back_off()->mutable_base_interval());
  const milliseconds ten_times = std::min<milliseconds>(base * 10, policy::kLongestDuration);
  SetDuration(std::max(base, policy.retries.backoff_max.value_or(std::max(ten_times, kBackoffMax))),
              retry->mutable_retry_back_off()->mutable_max_interval());
  auto* reset = retry->mutable_rate_limited_retry_back_off()->add_reset_headers();
  reset->set_name("retry-after");
  reset->set_format(routev3::RetryPolicy::SECONDS);
  SetDuration(kLongestWaitAsked,
              retry->mutable_rate_limited_retry_back_off()->mutable_max_interval());
  const milliseconds per_try = PerTryOf(rule, policy);
  if (per_try.count() > 0) SetDuration(per_try, retry->mutable_per_try_timeout());
  // A request that is kept to an endpoint is kept to it when it is sent again.
  if (policy.hash_on) return;
  auto* predicate = retry->add_retry_host_predicate();
  predicate->set_name("envoy.retry_host_predicates.previous_hosts");
  Pack(envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate(),
       predicate->mutable_typed_config());
  retry->set_host_selection_retry_max_attempts(3);
}

void SetTimeouts(const RouteRule* rule, const policy::ResiliencePolicy& policy, Protocol protocol,
                 routev3::RouteAction* action) {
  const bool is_of_try = TryBoundsRequest(rule, policy);
  SetDuration(is_of_try ? PerTryOf(rule, policy) : RequestOf(rule, policy),
              action->mutable_timeout());
  if (policy.timeouts.idle) SetDuration(*policy.timeouts.idle, action->mutable_idle_timeout());
  if (protocol == Protocol::kGrpc || protocol == Protocol::kAuto) {
    // 0s: the caller's own grpc-timeout holds, without a ceiling.
    SetDuration(milliseconds(0),
                action->mutable_max_stream_duration()->mutable_grpc_timeout_header_max());
  }
}

}  // namespace tulle::snapshot
