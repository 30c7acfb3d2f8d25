#pragma once

#include <string>

#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The ID of this instance in the mesh, from the file `instance` in the state directory, so that a
// workload that restarts replaces its own registration. A missing or invalid file is replaced, with
// `name` and a random suffix. Main thread; blocking.
std::string InstanceId(const std::string& state_directory, const std::string& name,
                       loop::Random& random, telemetry::Log& log);

}  // namespace tulle::sidecar
