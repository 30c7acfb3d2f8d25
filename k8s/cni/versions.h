// The versions of the CNI specification that the plugin speaks.
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tulle::cni {

inline constexpr std::string_view kVersions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

inline bool IsKnownVersion(std::string_view version) {
  return std::find(std::begin(kVersions), std::end(kVersions), version) != std::end(kVersions);
}

}  // namespace tulle::cni
