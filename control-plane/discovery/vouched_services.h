// Services that exist by more than one caller's word. Pure; any thread.
#pragma once

#include <set>

#include "control-plane/discovery/mesh.h"

namespace tulle::discovery {

// Those that a workload serves, by its grant, and those that a route names, by an admin's word. A
// workload's outbound.tcp names what it likes: that makes no service for others.
std::set<ServiceName> VouchedServices(const Mesh& mesh);

}  // namespace tulle::discovery
