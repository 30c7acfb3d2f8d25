#pragma once

namespace tulle::sidecar {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tulle::sidecar
