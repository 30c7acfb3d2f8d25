// What workloads serve, as FindIneffective (control-plane/policy/ineffective.h) asks for it:
// without the services that policies alone speak of. Pure; any thread.
#ifndef TULLE_CONTROL_PLANE_DISCOVERY_KNOWN_SERVICES_H_
#define TULLE_CONTROL_PLANE_DISCOVERY_KNOWN_SERVICES_H_

#include "control-plane/discovery/mesh.h"
#include "control-plane/policy/ineffective.h"

namespace tulle::discovery {

policy::KnownServices KnownServicesOf(const Mesh& mesh);

}  // namespace tulle::discovery

#endif  // TULLE_CONTROL_PLANE_DISCOVERY_KNOWN_SERVICES_H_
