// Verifies the redirection with real connections: as the application, as the sidecar, to virtual
// addresses, to loopback, to this machine's own address. If the sidecar's ports are free, the check
// listens on them and verifies the original destination; if the sidecar is running, a temporary
// rule counts the one connection. Connections from other hosts cannot be tested from here: the
// check ensures that no rule precedes ours. Blocking, a few hundred milliseconds. Requires root.
#pragma once

#include <vector>

#include "k8s/init/check.h"
#include "k8s/init/redirection.h"
#include "k8s/init/tables.h"

namespace tulle::init {

std::vector<Check> Verify(const Redirection& redirection, const Tables& tables);

// The checks that need neither root nor a capability: calls of this process, which must be neither
// the sidecar's user nor of its group, reach the sidecar's outbound port. Inbound and outbound
// rules are set in one transaction, so one says that the other is there.
std::vector<Check> VerifyCalls(const Redirection& redirection, Family family);

// Only whether the rules are set, and first.
std::vector<Check> VerifyRules(const Redirection& redirection, const Tables& tables);

}  // namespace tulle::init
