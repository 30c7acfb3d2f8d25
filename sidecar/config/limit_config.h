#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/policy/fault.h"
#include "sidecar/policy/rate_limit.h"

namespace tulle::config {

absl::StatusOr<std::shared_ptr<policy::LocalRateLimit>> ToRateLimit(
    const envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit& limit,
    const FieldPath& at);

// Null: no limits.
absl::StatusOr<std::shared_ptr<const policy::LimitDescriptors>> ToDescriptors(
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::RateLimit>& limits,
    const FieldPath& at);

// Null: injects no faults.
absl::StatusOr<std::shared_ptr<policy::FaultInjection>> ToFault(
    const envoy::extensions::filters::http::fault::v3::HTTPFault& fault, const FieldPath& at);

}  // namespace tulle::config
