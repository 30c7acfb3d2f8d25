#pragma once

#include "net/tls/secure_transports.h"

namespace tulle::tls {

// The simulator's replacement for TLS: real certificate chains, verified by the same code, and the
// same order of events as TLS 1.3; but no secrets, no encryption, and nothing that differs between
// runs. For simulation only: anyone who can write to the connection can impersonate any peer.
const SecureTransports& SimTransports();

}  // namespace tulle::tls
