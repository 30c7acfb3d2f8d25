#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envoy/config/route/v3/route.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/route/route_spec.h"

namespace tulle::config {

absl::StatusOr<route::RetrySpec> ToRetry(const envoy::config::route::v3::RetryPolicy& policy,
                                         const FieldPath& at, std::vector<std::string>* notes);

}  // namespace tulle::config
