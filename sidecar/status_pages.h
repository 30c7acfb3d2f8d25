#pragma once

#include "sidecar/admin/admin_source.h"
#include "sidecar/sidecar.h"

namespace tulle::sidecar {

// The admin pages that tell of configuration and its state at run time. `sidecar` outlives
// `source`. No private key is shown: secrets appear by name and validity.
void FillStatusPages(Sidecar& sidecar, admin::AdminSource& source);

}  // namespace tulle::sidecar
