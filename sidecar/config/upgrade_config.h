#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "envoy/config/route/v3/route.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/route/upgrade.h"

namespace tulle::config {

absl::Status CheckUpgrade(const route::UpgradeSpec& upgrade, const FieldPath& at);

// upgrade_configs of HttpConnectionManager and of RouteAction.
template <typename Configs>
absl::Status ToUpgrades(const Configs& configs, const FieldPath& at,
                        std::vector<route::UpgradeSpec>& out) {
  for (int i = 0; i < configs.size(); ++i) {
    const bool allowed = !configs[i].has_enabled() || configs[i].enabled().value();
    out.push_back({configs[i].upgrade_type(), allowed});
    const auto status = CheckUpgrade(out.back(), at[static_cast<size_t>(i)]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Whether the payload of CONNECT is forwarded: RouteAction.UpgradeConfig.connect_config. `at`: of
// the upgrade_configs.
absl::Status CheckTunnel(const envoy::config::route::v3::RouteAction& action, const FieldPath& at,
                         bool* tunnel);

}  // namespace tulle::config
