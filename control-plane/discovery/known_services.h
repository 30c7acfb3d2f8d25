// What workloads serve, as FindIneffective (control-plane/policy/ineffective.h) asks for it:
// without the services that policies alone speak of. Pure; any thread.
#pragma once

#include "control-plane/discovery/mesh.h"
#include "control-plane/policy/ineffective.h"

namespace tulle::discovery {

policy::KnownServices KnownServicesOf(const Mesh& mesh);

}  // namespace tulle::discovery
