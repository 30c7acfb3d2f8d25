// How the commands print policies and what is wrong with them.
#pragma once

#include <string>

#include "control-plane/cli/session.h"
#include "control-plane/policy/problem.h"

namespace tulle::cli {

// One problem a line, without a line feed at the end.
std::string TextOfProblems(const policy::Problems& problems);
// Whether there is a difference, which is printed then.
bool PrintDiff(Session& session, const std::string& name, const std::string& before,
               const std::string& after);

}  // namespace tulle::cli
