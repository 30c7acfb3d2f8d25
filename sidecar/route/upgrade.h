#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tulle::route {

// The upgrade_type of tunnels.
inline constexpr std::string_view kConnectType = "CONNECT";

// One of upgrade_configs, of a listener or of a route: whether HTTP/1.1 connections may be upgraded
// to that protocol, or may become a tunnel (CONNECT).
struct UpgradeSpec {
  std::string type{};  // such as "websocket"; compared case-insensitively
  bool allowed = true;

  bool operator==(const UpgradeSpec&) const = default;
};

// A route's setting for a type takes precedence over the listener's. A type that neither names is
// not allowed.
bool MayUpgrade(std::string_view type, std::span<const UpgradeSpec> listener,
                std::span<const UpgradeSpec> route);

}  // namespace tulle::route
