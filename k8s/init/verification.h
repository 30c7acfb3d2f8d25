// Whether redirection works, by really connecting: as the application, as the sidecar, to virtual
// addresses, to loopback, to this machine's own address. Where the sidecar's ports are free, they
// are listened on and the original destination is asked for; where it runs already, a rule counts
// the one connection, and is taken away again. What comes from other hosts cannot be tried from
// here: no rule may stand before ours. Blocking, a few hundred milliseconds. Needs root.
#pragma once

#include <string>
#include <vector>

#include "k8s/init/redirection.h"
#include "k8s/init/tables.h"

namespace tulle::init {

struct Check {
  enum class Outcome { kPassed, kFailed, kSkipped };
  std::string what;
  Outcome outcome = Outcome::kPassed;
  std::string detail;  // why not, and what to do
};

std::vector<Check> Verify(const Redirection& redirection, const Tables& tables);

}  // namespace tulle::init
