// Names of the installation's objects, as k8s/install has them.
#pragma once

namespace tulle::kubernetes {

inline constexpr char kControlNamespace[] = "tulle-system";
inline constexpr char kControlService[] = "tulle-control";

}  // namespace tulle::kubernetes
