// Converts local rate limits and fault injection.
#include "sidecar/config/limit_config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/rate_limit_descriptors/expr/v3/expr.pb.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

namespace limit_v3 = envoy::extensions::filters::http::local_ratelimit::v3;
namespace routev3 = envoy::config::route::v3;
namespace faultv3 = envoy::extensions::filters::http::fault::v3;
using envoy::type::v3::FractionalPercent;
using Action = routev3::RateLimit::Action;
using policy::DescriptorAction;

constexpr std::string_view kPeerExpression = "connection.uri_san_peer_certificate";
// A slot has 16 bytes.
constexpr uint32_t kMaxKeys = 65536;

uint32_t PerMillion(const FractionalPercent& percent) {
  const uint64_t scale = percent.denominator() == FractionalPercent::MILLION        ? 1
                         : percent.denominator() == FractionalPercent::TEN_THOUSAND ? 100
                                                                                    : 10000;
  return static_cast<uint32_t>(std::min<uint64_t>(percent.numerator() * scale, 1000000));
}

absl::StatusOr<policy::BucketSpec> ToBucket(const envoy::type::v3::TokenBucket& bucket,
                                            const FieldPath& at) {
  policy::BucketSpec spec;
  spec.tokens = bucket.max_tokens();
  spec.per_fill = bucket.has_tokens_per_fill() ? bucket.tokens_per_fill().value() : 1;
  auto interval = ToMilliseconds(bucket.fill_interval(), at / "fill_interval");
  if (!interval.ok()) return interval.status();
  if (interval->count() < 50) return (at / "fill_interval").Error("must be at least 50 ms");
  if (spec.per_fill == 0) return (at / "tokens_per_fill").Error("must be at least 1");
  spec.interval = *interval;
  return spec;
}

absl::Status ReadHeaderMatches(
    const google::protobuf::RepeatedPtrField<routev3::HeaderMatcher>& matchers, const FieldPath& at,
    std::vector<match::HeaderSpec>& specs) {
  for (int i = 0; i < matchers.size(); ++i) {
    auto header = ToHeader(matchers[i], at[static_cast<size_t>(i)]);
    if (!header.ok()) return header.status();
    specs.push_back(*std::move(header));
  }
  return absl::OkStatus();
}

absl::StatusOr<DescriptorAction> ToExtension(
    const envoy::config::core::v3::TypedExtensionConfig& from, const FieldPath& at) {
  envoy::extensions::rate_limit_descriptors::expr::v3::Descriptor expression;
  if (!from.typed_config().UnpackTo(&expression) || expression.text() != kPeerExpression) {
    return at.Error(absl::StrCat("only envoy.rate_limit_descriptors.expr with the text ",
                                 std::string(kPeerExpression), " is implemented"));
  }
  DescriptorAction action;
  action.kind = DescriptorAction::Kind::kPeerIdentity;
  action.key = expression.descriptor_key();
  action.skip_if_absent = expression.skip_if_error();
  return action;
}

absl::StatusOr<DescriptorAction> ToAction(const Action& from, const FieldPath& at) {
  using Kind = DescriptorAction::Kind;
  DescriptorAction action;
  switch (from.action_specifier_case()) {
    case Action::kDestinationCluster:
      action.kind = Kind::kDestinationCluster;
      action.key = "destination_cluster";
      return action;
    case Action::kRequestHeaders:
      action.kind = Kind::kRequestHeader;
      action.key = from.request_headers().descriptor_key();
      action.value = absl::AsciiStrToLower(from.request_headers().header_name());
      action.skip_if_absent = from.request_headers().skip_if_absent();
      return action;
    case Action::kRemoteAddress:
      action.kind = Kind::kRemoteAddress;
      action.key = "remote_address";
      return action;
    case Action::kGenericKey:
      action.kind = Kind::kGenericKey;
      action.key = from.generic_key().descriptor_key();
      if (action.key.empty()) action.key = "generic_key";
      action.value = from.generic_key().descriptor_value();
      return action;
    case Action::kHeaderValueMatch: {
      const auto& match = from.header_value_match();
      action.kind = Kind::kHeaderValueMatch;
      action.key = match.descriptor_key().empty() ? "header_match" : match.descriptor_key();
      action.value = match.descriptor_value();
      action.expect_match = !match.has_expect_match() || match.expect_match().value();
      const auto status =
          ReadHeaderMatches(match.headers(), at / "header_value_match.headers", action.headers);
      if (!status.ok()) return status;
      return action;
    }
    case Action::kExtension:
      return ToExtension(from.extension(), at / "extension");
    default:
      return at.Error(
          "is not implemented: use request_headers, remote_address, generic_key, "
          "header_value_match, destination_cluster or the peer's URI SAN");
  }
}

absl::StatusOr<policy::DescriptorLimit> ToDescriptorLimit(
    const envoy::extensions::common::ratelimit::v3::LocalRateLimitDescriptor& from,
    const FieldPath& at) {
  policy::DescriptorLimit limit;
  if (from.entries().empty()) return (at / "entries").Error("needs at least one");
  for (const auto& entry : from.entries()) limit.entries.emplace_back(entry.key(), entry.value());
  auto bucket = ToBucket(from.token_bucket(), at / "token_bucket");
  if (!bucket.ok()) return bucket.status();
  limit.bucket = *bucket;
  limit.shadow = from.shadow_mode();
  return limit;
}

absl::Status ReadDescriptors(const limit_v3::LocalRateLimit& limit, const FieldPath& at,
                             policy::RateLimitSpec& spec) {
  for (int i = 0; i < limit.descriptors_size(); ++i) {
    auto descriptor =
        ToDescriptorLimit(limit.descriptors(i), (at / "descriptors")[static_cast<size_t>(i)]);
    if (!descriptor.ok()) return descriptor.status();
    spec.descriptors.push_back(*std::move(descriptor));
  }
  auto rules = ToDescriptors(limit.rate_limits(), at / "rate_limits");
  if (!rules.ok()) return rules.status();
  spec.rules = *std::move(rules);
  if (limit.has_max_dynamic_descriptors()) {
    spec.most_keys = limit.max_dynamic_descriptors().value();
    if (spec.most_keys == 0 || spec.most_keys > kMaxKeys) {
      return (at / "max_dynamic_descriptors").Error("must be 1 to 65536");
    }
  }
  return absl::OkStatus();
}

template <typename Options>
void ReadHeaders(const Options& options,
                 std::vector<std::pair<std::string, std::string>>& headers) {
  for (const auto& option : options)
    headers.emplace_back(absl::AsciiStrToLower(option.header().key()), option.header().value());
}

int StatusOf(const limit_v3::LocalRateLimit& limit) {
  const int code = static_cast<int>(limit.status().code());
  return code >= 400 && code < 600 ? code : 429;  // as in Envoy: other codes are not errors
}

absl::StatusOr<policy::FaultSpec::Delay> ToDelay(
    const envoy::extensions::filters::common::fault::v3::FaultDelay& from, const FieldPath& at) {
  policy::FaultSpec::Delay delay;
  delay.by_header = from.has_header_delay();
  delay.per_million = PerMillion(from.percentage());
  if (delay.by_header) return delay;
  TULLE_READ_MILLISECONDS(from, fixed_delay, at, delay.fixed);
  if (delay.fixed.count() == 0) return (at / "fixed_delay").Error("must be greater than 0");
  return delay;
}

absl::StatusOr<policy::FaultSpec::Abort> ToAbort(const faultv3::FaultAbort& from,
                                                 const FieldPath& at) {
  policy::FaultSpec::Abort abort;
  abort.per_million = PerMillion(from.percentage());
  switch (from.error_type_case()) {
    case faultv3::FaultAbort::kHttpStatus:
      abort.status = static_cast<int>(from.http_status());
      if (abort.status < 200 || abort.status > 599) {
        return (at / "http_status").Error("must be 200 to 599");
      }
      return abort;
    case faultv3::FaultAbort::kGrpcStatus:
      if (from.grpc_status() > 16) return (at / "grpc_status").Error("must be 0 to 16");
      abort.grpc_status = static_cast<int>(from.grpc_status());
      return abort;
    case faultv3::FaultAbort::kHeaderAbort:
      abort.by_header = true;
      return abort;
    default:
      return at.Error("needs one of http_status, grpc_status, header_abort");
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const policy::LimitDescriptors>> ToDescriptors(
    const google::protobuf::RepeatedPtrField<routev3::RateLimit>& limits, const FieldPath& at) {
  if (limits.empty()) return nullptr;
  std::vector<policy::DescriptorRule> rules;
  for (int i = 0; i < limits.size(); ++i) {
    const FieldPath here = at[static_cast<size_t>(i)];
    policy::DescriptorRule rule;
    rule.stage = limits[i].stage().value();
    for (int j = 0; j < limits[i].actions_size(); ++j) {
      auto action = ToAction(limits[i].actions(j), (here / "actions")[static_cast<size_t>(j)]);
      if (!action.ok()) return action.status();
      rule.actions.push_back(*std::move(action));
    }
    rules.push_back(std::move(rule));
  }
  auto compiled = policy::LimitDescriptors::Compile(std::move(rules));
  if (!compiled.ok()) return at.Error(compiled.status());
  return compiled;
}

absl::StatusOr<std::shared_ptr<policy::LocalRateLimit>> ToRateLimit(
    const limit_v3::LocalRateLimit& limit, const FieldPath& at) {
  policy::RateLimitSpec spec;
  if (limit.has_token_bucket()) {
    auto bucket = ToBucket(limit.token_bucket(), at / "token_bucket");
    if (!bucket.ok()) return bucket.status();
    spec.bucket = *bucket;
  }
  if (auto status = ReadDescriptors(limit, at, spec); !status.ok()) return status;
  spec.stage = limit.stage();
  spec.enabled_per_million = PerMillion(limit.filter_enabled().default_value());
  spec.enforced_per_million = PerMillion(limit.filter_enforced().default_value());
  spec.always_takes_default = !limit.has_always_consume_default_token_bucket() ||
                              limit.always_consume_default_token_bucket().value();
  spec.status = StatusOf(limit);
  spec.resource_exhausted = limit.rate_limited_as_resource_exhausted();
  spec.tells_numbers = limit.enable_x_ratelimit_headers() ==
                       envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03;
  spec.tells_retry_after = limit.enable_retry_after_header();
  ReadHeaders(limit.response_headers_to_add(), spec.response_headers);
  ReadHeaders(limit.request_headers_to_add_when_not_enforced(), spec.unenforced_headers);
  return std::make_shared<policy::LocalRateLimit>(std::move(spec));
}

absl::StatusOr<std::shared_ptr<policy::FaultInjection>> ToFault(const faultv3::HTTPFault& fault,
                                                                const FieldPath& at) {
  if (!fault.has_delay() && !fault.has_abort()) return nullptr;
  policy::FaultSpec spec;
  if (fault.has_delay()) {
    auto delay = ToDelay(fault.delay(), at / "delay");
    if (!delay.ok()) return delay.status();
    spec.delay = *delay;
  }
  if (fault.has_abort()) {
    auto abort = ToAbort(fault.abort(), at / "abort");
    if (!abort.ok()) return abort.status();
    spec.abort = *abort;
  }
  if (auto status = ReadHeaderMatches(fault.headers(), at / "headers", spec.headers); !status.ok())
    return status;
  spec.cluster = fault.upstream_cluster();
  if (fault.has_max_active_faults()) spec.most_active = fault.max_active_faults().value();
  auto compiled = policy::FaultInjection::Compile(std::move(spec));
  if (!compiled.ok()) return at.Error(compiled.status());
  return compiled;
}

}  // namespace tulle::config
