// The plugin's entry in a list of chained plugins (*.conflist). Pure. Source: CNI specification,
// section 1 "Network configuration format".
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::cni {

// The list with our entry at its end, or where it was. The same text: nothing is to be changed.
absl::StatusOr<std::string> WithEntry(const std::string& conflist);
// The list without it. Likewise.
absl::StatusOr<std::string> WithoutEntry(const std::string& conflist);

}  // namespace tulle::cni
