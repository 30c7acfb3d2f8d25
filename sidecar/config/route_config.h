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

// Validates, converts and compiles. `notes` gets what has no effect beyond the field table (unknown
// values of retry_on).
absl::StatusOr<std::shared_ptr<const route::RouteTable>> ToRouteTable(
    const envoy::config::route::v3::RouteConfiguration& config, const FileReader& files,
    const FieldPath& at, std::vector<std::string>* notes);

}  // namespace tulle::config
