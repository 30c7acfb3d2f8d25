#pragma once

#include "sidecar/admin/admin_source.h"
#include "sidecar/dataplane/sidecar.h"

namespace tulle::sidecar {

// The admin pages that show the configuration and its state at run time. `sidecar` outlives
// `source`. Private keys are never shown: secrets appear by name and validity.
void FillStatusPages(Sidecar& sidecar, admin::AdminSource& source);

}  // namespace tulle::sidecar
