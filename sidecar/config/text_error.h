#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tulle::config {

// What protobuf's JSON parser found wrong, as a line for users: the path of the field and what is
// expected there. Values of the file are left out, because it may contain private keys: only names
// of types and of enum values are repeated, where the schema expects such a name.
//
// `json` is the text that was parsed if users wrote it themselves, for the position of a syntax
// error; empty if it was converted from YAML.
std::string ReadableError(absl::string_view error, const std::string& json);

}  // namespace tulle::config
