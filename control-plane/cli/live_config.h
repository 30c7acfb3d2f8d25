// What is in force in a proxy, as it answers itself, beside what it was sent: `tullectl
// proxy-config --live` and `--diff`. Each asks the proxy, and returns the exit code.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

// `parts`: of kProxyParts. As a table; for scripts in the words of the proxy, with its state.
absl::StatusOr<int> ShowLive(Session& session, const Json& proxy,
                             const std::vector<std::string_view>& parts);
// Exit code 1: there are differences. Secrets are not compared: a proxy does not show its keys.
absl::StatusOr<int> DiffLive(Session& session, const Json& proxy,
                             const std::vector<std::string_view>& parts);

// Whether --fqdn and --port select it. `resource`: as it was sent.
bool IsSelected(const Invocation& wanted, const std::string& name, const Json& resource);

}  // namespace tulle::cli
