#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envoy/config/route/v3/route.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/values.h"
#include "sidecar/route/route_table.h"

namespace tulle::config {

// Validates, converts and compiles. `notes` takes what has no effect beyond the field table (words
// of retry_on that mean nothing).
absl::StatusOr<std::shared_ptr<const route::RouteTable>> ToRouteTable(
    const envoy::config::route::v3::RouteConfiguration& config, const FileReader& files,
    const FieldPath& at, std::vector<std::string>* notes);

}  // namespace tulle::config
