// Converts retry policies.
#include "sidecar/config/retry_config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sidecar/config/values.h"
#include "sidecar/route/retry_on.h"

namespace tulle::config {
namespace {

using envoy::config::route::v3::RetryPolicy;

// More retries do harm whatever the reason.
constexpr uint32_t kMaxRetries = 100;
constexpr std::string_view kPreviousHosts =
    "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";

template <typename Items>
absl::Status ReadHeaders(const Items& items, const FieldPath& at,
                         std::vector<match::HeaderSpec>& out) {
  for (int i = 0; i < items.size(); ++i) {
    auto header = ToHeader(items[i], at[static_cast<size_t>(i)]);
    if (!header.ok()) return header.status();
    out.push_back(*std::move(header));
  }
  return absl::OkStatus();
}

absl::Status ReadBackOff(const RetryPolicy& policy, const FieldPath& at, route::RetrySpec& spec) {
  if (!policy.has_retry_back_off()) return absl::OkStatus();
  const FieldPath here = at / "retry_back_off";
  const auto& back_off = policy.retry_back_off();
  TULLE_READ_MILLISECONDS(back_off, base_interval, here, spec.base_interval);
  if (!back_off.has_base_interval() || spec.base_interval.count() == 0) {
    return (here / "base_interval").Error("must be greater than 0");
  }
  spec.max_interval = spec.base_interval * 10;
  TULLE_READ_MILLISECONDS(back_off, max_interval, here, spec.max_interval);
  if (spec.max_interval < spec.base_interval) {
    return (here / "max_interval").Error("must be at least base_interval");
  }
  return absl::OkStatus();
}

absl::Status ReadResets(const RetryPolicy& policy, const FieldPath& at, route::RetrySpec& spec) {
  if (!policy.has_rate_limited_retry_back_off()) return absl::OkStatus();
  const auto& resets = policy.rate_limited_retry_back_off();
  const FieldPath here = at / "rate_limited_retry_back_off";
  for (const auto& header : resets.reset_headers()) {
    spec.reset_headers.push_back(
        {absl::AsciiStrToLower(header.name()), header.format() == RetryPolicy::UNIX_TIMESTAMP
                                                   ? route::ResetHeader::Format::kUnixTime
                                                   : route::ResetHeader::Format::kSeconds});
  }
  if (spec.reset_headers.empty()) return (here / "reset_headers").Error("needs at least one");
  TULLE_READ_MILLISECONDS(resets, max_interval, here, spec.max_reset_interval);
  return absl::OkStatus();
}

absl::Status ReadHostSelection(const RetryPolicy& policy, const FieldPath& at,
                               route::RetrySpec& spec) {
  for (int i = 0; i < policy.retry_host_predicate_size(); ++i) {
    const auto& predicate = policy.retry_host_predicate(i);
    if (predicate.typed_config().type_url() != kPreviousHosts) {
      return (at / "retry_host_predicate")[static_cast<size_t>(i)].Error(
          "only envoy.retry_host_predicates.previous_hosts is implemented");
    }
    spec.avoid_previous_hosts = true;
  }
  const int64_t attempts = policy.host_selection_retry_max_attempts();
  if (attempts < 0 || attempts > kMaxRetries) {
    return (at / "host_selection_retry_max_attempts").Error("must be 0 to 100");
  }
  if (attempts > 0) spec.host_selection_attempts = static_cast<uint32_t>(attempts);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<route::RetrySpec> ToRetry(const RetryPolicy& policy, const FieldPath& at,
                                         std::vector<std::string>* notes) {
  route::RetrySpec spec;
  route::RetryConditions conditions = route::ParseRetryOn(policy.retry_on());
  spec.on = conditions.bits;
  spec.statuses = std::move(conditions.statuses);
  for (const std::string& word : conditions.unknown) {
    notes->push_back(
        absl::StrCat((at / "retry_on").text(), ": unknown value '", word, "' is ignored"));
  }
  for (const uint32_t status : policy.retriable_status_codes()) {
    if (status < 100 || status > 599) {
      return (at / "retriable_status_codes")
          .Error(absl::StrCat(status, " is not a valid status code"));
    }
    spec.statuses.push_back(status);
  }
  std::sort(spec.statuses.begin(), spec.statuses.end());
  if (policy.has_num_retries()) spec.attempts_after_first = policy.num_retries().value();
  if (spec.attempts_after_first > kMaxRetries) {
    return (at / "num_retries")
        .Error(absl::StrCat(spec.attempts_after_first, " retries: must be at most 100"));
  }
  TULLE_READ_MILLISECONDS(policy, per_try_timeout, at, spec.per_try_timeout);
  TULLE_READ_MILLISECONDS(policy, per_try_idle_timeout, at, spec.per_try_idle_timeout);
  absl::Status status = ReadBackOff(policy, at, spec);
  status.Update(ReadResets(policy, at, spec));
  status.Update(ReadHostSelection(policy, at, spec));
  status.Update(
      ReadHeaders(policy.retriable_headers(), at / "retriable_headers", spec.response_headers));
  status.Update(ReadHeaders(policy.retriable_request_headers(), at / "retriable_request_headers",
                            spec.request_headers));
  if (!status.ok()) return status;
  return spec;
}

}  // namespace tulle::config
