#include "sidecar/config/upgrade_config.h"

#include "net/http/header_map.h"

namespace tulle::config {

absl::Status CheckUpgrade(const route::UpgradeSpec& upgrade, const FieldPath& at) {
  if (upgrade.type.empty()) return (at / "upgrade_type").Error("is required");
  if (!upgrade.allowed || !http::EqualsIgnoreCase(upgrade.type, "CONNECT")) return absl::OkStatus();
  return (at / "upgrade_type").Error("CONNECT is not implemented: remove it");
}

}  // namespace tulle::config
