#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "certs/authority.h"
#include "certs/private_key.h"
#include "certs/trust_bundle.h"
#include "net/tls/secure_transports.h"

namespace tulle::simulation {

// The certificates of a simulated mesh: Ed25519 keys from the seed. Their signatures all have the
// same length, so that runs of one seed have segments of equal sizes although TLS uses its own
// randomness. Owner: a test.
class MeshIdentity {
 public:
  explicit MeshIdentity(uint64_t seed);

  // A fresh key and SVID each time.
  std::shared_ptr<const tls::TlsIdentity> Issue(std::string_view service_account);
  std::shared_ptr<const certs::TrustBundle> trust() const { return trust_; }

  // Mutual TLS as between sidecars, for the protocol with that ALPN name.
  std::shared_ptr<const tls::SecureAcceptor> NewAcceptor(std::string_view service_account,
                                                         std::string alpn = "http/1.1");
  std::shared_ptr<const tls::SecureConnector> NewConnector(std::string_view service_account,
                                                           std::string_view peer_account,
                                                           std::string alpn = "http/1.1");

 private:
  certs::SeededKeySource keys_;
  certs::Authority authority_;
  std::shared_ptr<const certs::TrustBundle> trust_;
};

}  // namespace tulle::simulation
