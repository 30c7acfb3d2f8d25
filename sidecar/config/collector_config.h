#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "envoy/config/core/v3/base.pb.h"
#include "sidecar/config/collector_spec.h"
#include "sidecar/config/field_path.h"

namespace tulle::config {

// The way to a collector by gRPC, and by HTTP ("http://collector:4318/v1/traces": whether there is
// TLS is up to the cluster). `default_path`: unless the URI has one.
absl::Status ReadCollector(const envoy::config::core::v3::GrpcService& service, const FieldPath& at,
                           CollectorSpec& spec);
absl::Status ReadCollector(const envoy::config::core::v3::HttpService& service,
                           std::string_view default_path, const FieldPath& at, CollectorSpec& spec);

}  // namespace tulle::config
