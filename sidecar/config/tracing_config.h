#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/listener_spec.h"

namespace envoy::config::core::v3 {
class Metadata;
}
namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager_Tracing;
}

namespace tulle::config {

// Null: no provider, so headers are forwarded unchanged.
absl::StatusOr<std::shared_ptr<const TracingSpec>> ToTracing(
    const envoy::extensions::filters::network::http_connection_manager::v3::
        HttpConnectionManager_Tracing& tracing,
    const FieldPath& at, std::vector<std::string>* notes);

// Reads what HttpConnectionManager has no fields for: always_on_error, slower_than_ms and
// traces_per_second of metadata.filter_metadata.tulle.tracing, where there are any. `at`: of the
// metadata. `tracing` may be null.
absl::Status ReadOwnTracing(const envoy::config::core::v3::Metadata& metadata, const FieldPath& at,
                            std::shared_ptr<const TracingSpec>& tracing);

}  // namespace tulle::config
