#include "control-plane/snapshot/limits.h"

#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/rate_limit_descriptors/expr/v3/expr.pb.h"

namespace tulle::snapshot {
namespace {

namespace limitv3 = envoy::extensions::filters::http::local_ratelimit::v3;
namespace routev3 = envoy::config::route::v3;
using policy::LimitKey;

constexpr char kIdentityKey[] = "identity";
constexpr char kHeaderKey[] = "header";
constexpr char kRouteKey[] = "route";
// Callers, or values of a header, that are counted apart at one time.
constexpr uint32_t kMostKeys = 10000;

void SetBucket(const policy::RateLimitPolicy& limit, envoy::type::v3::TokenBucket* bucket) {
  bucket->set_max_tokens(limit.burst.value_or(limit.requests));
  bucket->mutable_tokens_per_fill()->set_value(limit.requests);
  SetDuration(limit.per, bucket->mutable_fill_interval());
}

void SetAlways(envoy::config::core::v3::RuntimeFractionalPercent* percent) {
  percent->mutable_default_value()->set_numerator(100);
}

// By the connection's certificate, not by a header that names it.
void SetIdentity(routev3::RateLimit::Action* action) {
  envoy::extensions::rate_limit_descriptors::expr::v3::Descriptor expression;
  expression.set_descriptor_key(kIdentityKey);
  expression.set_text("connection.uri_san_peer_certificate");
  action->mutable_extension()->set_name("envoy.rate_limit_descriptors.expr");
  Pack(expression, action->mutable_extension()->mutable_typed_config());
}

void SetHeader(const std::string& name, routev3::RateLimit::Action* action) {
  action->mutable_request_headers()->set_header_name(name);
  action->mutable_request_headers()->set_descriptor_key(kHeaderKey);
}

void CountApart(const policy::RateLimitPolicy& limit, limitv3::LocalRateLimit* filter) {
  auto* descriptor = filter->add_descriptors();
  auto* entry = descriptor->add_entries();
  SetBucket(limit, descriptor->mutable_token_bucket());
  switch (limit.key) {
    case LimitKey::kIdentity:
      entry->set_key(kIdentityKey);
      SetIdentity(filter->add_rate_limits()->add_actions());
      break;
    case LimitKey::kHeader:
      entry->set_key(kHeaderKey);
      SetHeader(limit.header, filter->add_rate_limits()->add_actions());
      break;
    default:
      entry->set_key(kRouteKey);  // each route says its own name
      break;
  }
  filter->mutable_max_dynamic_descriptors()->set_value(kMostKeys);
}

void SetPercent(uint32_t percent, envoy::type::v3::FractionalPercent* message) {
  message->set_numerator(percent);
}

}  // namespace

// Those without a key of their own share the plain bucket.
void AddRateLimit(const policy::RateLimitPolicy& limit, HttpConnectionManager* manager) {
  limitv3::LocalRateLimit filter;
  filter.set_stat_prefix("rate_limit");
  SetBucket(limit, filter.mutable_token_bucket());
  SetAlways(filter.mutable_filter_enabled());
  SetAlways(filter.mutable_filter_enforced());
  filter.set_enable_x_ratelimit_headers(envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03);
  filter.set_enable_retry_after_header(true);
  filter.mutable_always_consume_default_token_bucket()->set_value(false);
  if (limit.key != LimitKey::kNone) CountApart(limit, &filter);
  AddHttpFilter("envoy.filters.http.local_ratelimit", filter, manager);
}

void AddFault(const policy::FaultPolicy& fault, HttpConnectionManager* manager) {
  envoy::extensions::filters::http::fault::v3::HTTPFault filter;
  if (fault.delay) {
    SetDuration(*fault.delay, filter.mutable_delay()->mutable_fixed_delay());
    SetPercent(fault.delay_percent, filter.mutable_delay()->mutable_percentage());
  }
  if (fault.abort_status) filter.mutable_abort()->set_http_status(*fault.abort_status);
  if (fault.abort_grpc_status) filter.mutable_abort()->set_grpc_status(*fault.abort_grpc_status);
  if (filter.has_abort())
    SetPercent(fault.abort_percent, filter.mutable_abort()->mutable_percentage());
  for (const policy::ValueMatch& header : fault.headers) {
    auto* matcher = filter.add_headers();
    matcher->set_name(header.name);
    if (header.is_regex) {
      matcher->mutable_string_match()->mutable_safe_regex()->set_regex(header.value);
    } else {
      matcher->mutable_string_match()->set_exact(header.value);
    }
  }
  AddHttpFilter("envoy.filters.http.fault", filter, manager);
}

void SetLimitedRoute(const std::string& name, routev3::RouteAction* action) {
  auto* key = action->add_rate_limits()->add_actions()->mutable_generic_key();
  key->set_descriptor_key(kRouteKey);
  key->set_descriptor_value(name);
}

}  // namespace tulle::snapshot
