#pragma once

#include "net/tls/secure_transports.h"

namespace tulle::tls {

// The simulator's stand-in for TLS: real certificate chains, judged by the same code, and the same
// order of events as TLS 1.3; but no secrets, no encryption, and nothing that differs from one run
// to the next. For simulation only: who can write on the connection can be anyone.
const SecureTransports& SimTransports();

}  // namespace tulle::tls
