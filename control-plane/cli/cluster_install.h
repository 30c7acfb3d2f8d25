// An installation at a cluster's API server (`tullectl install --apply`, `uninstall --apply`, and
// `check --pre`), for install_command.cc and check_command.cc.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

// What an installation with the flags of the invocation consists of, in the order in which it is
// applied.
std::vector<Json> InstallationOf(const Session& session);
// In this order, with progress; waits until the control plane is available, and names what hinders
// it.
absl::StatusOr<int> ApplyInstallation(Session& session, const std::vector<Json>& objects);
// In this order, after a question.
absl::StatusOr<int> DeleteInstallation(Session& session, const std::vector<Json>& objects);

}  // namespace tulle::cli
