// The parts of a proxy's configuration and their names. Pure; any thread.
#pragma once

#include <array>
#include <string_view>

namespace tulle::cli {

// In the order in which a request meets them.
inline constexpr std::array<std::string_view, 5> kProxyParts = {"listeners", "routes", "clusters",
                                                                "endpoints", "secrets"};

// "routes", "route", "r" -> "routes"; "ep" too, as istioctl has it. Empty: there is no such part.
constexpr std::string_view ProxyPartNamed(std::string_view word) {
  if (word == "ep") return "endpoints";
  for (const std::string_view part : kProxyParts) {
    if (!word.empty() && part.starts_with(word)) return part;
  }
  return "";
}

}  // namespace tulle::cli
