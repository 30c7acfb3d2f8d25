#include "sidecar/config/upgrade_config.h"

#include "net/http/header_map.h"

namespace tulle::config {

absl::Status CheckUpgrade(const route::UpgradeSpec& upgrade, const FieldPath& at) {
  if (upgrade.type.empty()) return (at / "upgrade_type").Error("is required");
  return absl::OkStatus();
}

absl::Status CheckTunnel(const envoy::config::route::v3::RouteAction& action, const FieldPath& at,
                         bool* tunnel) {
  const auto& configs = action.upgrade_configs();
  for (int i = 0; i < configs.size(); ++i) {
    const bool allowed = !configs[i].has_enabled() || configs[i].enabled().value();
    if (!allowed || !http::EqualsIgnoreCase(configs[i].upgrade_type(), route::kConnectType))
      continue;
    *tunnel = configs[i].has_connect_config();
    if (*tunnel) continue;
    return (at[static_cast<size_t>(i)] / "connect_config")
        .Error("is required for CONNECT: forwarding the request itself is not implemented");
  }
  return absl::OkStatus();
}

}  // namespace tulle::config
