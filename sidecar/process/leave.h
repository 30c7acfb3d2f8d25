#pragma once

#include "absl/status/status.h"
#include "net/base/socket_address.h"

namespace tulle::sidecar {

// `tulle-sidecar --leave`: asks the sidecar whose admin pages are at that address to leave the
// mesh, and waits until it has, for at most 5 s. A preStop hook needs no shell and no HTTP client
// for it. Blocking.
absl::Status AskToLeave(const SocketAddress& admin);

}  // namespace tulle::sidecar
