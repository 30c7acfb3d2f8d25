// A resource as JSON for people: `tullectl proxy-config`, the dashboard. No secret is shown.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/snapshot/snapshot.h"

namespace tulle::snapshot {

// Field names as in Envoy's documentation; private keys are replaced by "[redacted]". "{}" for what
// cannot be read.
std::string DescribeAsJson(std::string_view type_url, const Resource& resource);
// "listeners", "routes", "clusters", "endpoints", "secrets" -> type URL; empty for any other word.
std::string_view TypeUrlOf(std::string_view word);

}  // namespace tulle::snapshot
