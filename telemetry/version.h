// The version that all binaries of this tree have, as they show it.
#pragma once

namespace tulle::telemetry {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tulle::telemetry
