// The version of all programs of this project, as --version prints it.
#pragma once

namespace tulle::telemetry {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tulle::telemetry
