#include "sidecar/route/upgrade.h"

#include "net/http/header_map.h"

namespace tulle::route {

bool MayUpgrade(std::string_view type, std::span<const UpgradeSpec> listener,
                std::span<const UpgradeSpec> route) {
  for (const std::span<const UpgradeSpec> specs : {route, listener}) {
    for (const UpgradeSpec& spec : specs) {
      if (http::EqualsIgnoreCase(spec.type, type)) return spec.allowed;
    }
  }
  return false;
}

}  // namespace tulle::route
