#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "certs/san_matcher.h"
#include "certs/trust_bundle.h"
#include "net/tls/tls_spec.h"

// Keys and roots, as configured. Immutable. A private key is stored here in memory and nowhere
// else: never in a log, a dump or an error.
namespace tulle::config {

// CertificateValidationContext.
struct ValidationSpec {
  std::shared_ptr<const certs::TrustBundle> trust;  // null: the peer is not verified
  std::vector<certs::SanMatcher> names;             // any of; empty: any name
};

// TlsCertificate: verified to be readable and to match.
using IdentitySpec = std::shared_ptr<const tls::TlsIdentity>;

// envoy.extensions.transport_sockets.tls.v3.Secret.
struct SecretSpec {
  std::string name;
  std::variant<IdentitySpec, ValidationSpec> value;
  uint64_t hash = 0;  // of the content
};

}  // namespace tulle::config
