#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tulle::route {

// One of upgrade_configs, of a listener or of a route: whether HTTP/1.1 connections may change to
// that protocol.
struct UpgradeSpec {
  std::string type{};  // such as "websocket"; compared without case
  bool allowed = true;

  bool operator==(const UpgradeSpec&) const = default;
};

// What the route says of a type wins over what the listener says; of what neither names, nothing is
// allowed.
bool MayUpgrade(std::string_view type, std::span<const UpgradeSpec> listener,
                std::span<const UpgradeSpec> route);

}  // namespace tulle::route
