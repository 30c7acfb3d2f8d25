// Names of the installation's objects, as k8s/install has them.
#pragma once

namespace tulle::kubernetes {

inline constexpr char kControlNamespace[] = "tulle-system";
inline constexpr char kControlService[] = "tulle-control";
// Whose tokens people call the REST API with: k8s/install/access.cc.
inline constexpr char kViewerAccount[] = "tulle-viewer";
inline constexpr char kAdminAccount[] = "tulle-admin";

}  // namespace tulle::kubernetes
