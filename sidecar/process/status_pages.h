#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidecar/admin/admin_source.h"
#include "sidecar/dataplane/sidecar.h"

namespace tulle::sidecar {

// The admin pages that show the configuration and its state at run time. `sidecar` outlives
// `source`. Private keys are never shown: secrets appear by name and validity.
void FillStatusPages(Sidecar& sidecar, admin::AdminSource& source);

// One part of it as JSON, without private keys: "clusters" and "listeners" as they are at run time,
// "routes", "endpoints" or "secrets" as they were received. "resources/" before it: each of them as
// it was received. Unset: another kind.
std::optional<std::string> ConfigPage(Sidecar& sidecar, std::string_view kind);

}  // namespace tulle::sidecar
