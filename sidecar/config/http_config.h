#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/config/values.h"

namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager;
}

namespace tulle::config {

// The inputs and results of converting a listener, besides TLS.
struct ListenerConversion {
  const FileReader* files = nullptr;
  std::function<bool(const std::string& cluster)> knows_cluster;

  std::set<std::string> route_names;  // found: route configurations to be asked for
  std::vector<std::string> notes;     // found: what has no effect
};

absl::StatusOr<HttpSpec> ToHttp(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager&
        manager,
    ListenerConversion& conversion, const FieldPath& at);

}  // namespace tulle::config
