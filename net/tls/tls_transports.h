#pragma once

#include "net/tls/secure_transports.h"

namespace tulle::tls {

// TLS by BoringSSL. Without state: one serves everybody.
const SecureTransports& TlsTransports();

}  // namespace tulle::tls
