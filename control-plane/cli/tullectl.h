// The command line tool. The process provides the environment (environment.h).
#pragma once

#include <string>
#include <vector>

#include "control-plane/cli/environment.h"

namespace tulle::cli {

// The exit code: 0, 1 on failure; for diff 1 means differences and 2 failure. `arguments` without
// the program's name.
int RunTullectl(const std::vector<std::string>& arguments, Environment& environment);

}  // namespace tulle::cli
