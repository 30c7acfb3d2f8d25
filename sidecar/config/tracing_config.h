#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/listener_spec.h"

namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager_Tracing;
}

namespace tulle::config {

// Null: no provider, so headers are forwarded unchanged.
absl::StatusOr<std::shared_ptr<const TracingSpec>> ToTracing(
    const envoy::extensions::filters::network::http_connection_manager::v3::
        HttpConnectionManager_Tracing& tracing,
    const FieldPath& at, std::vector<std::string>* notes);

}  // namespace tulle::config
