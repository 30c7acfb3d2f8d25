#pragma once

#include "net/tls/secure_transports.h"

namespace tulle::tls {

// TLS by BoringSSL. Stateless: one instance is shared by all.
const SecureTransports& TlsTransports();

}  // namespace tulle::tls
