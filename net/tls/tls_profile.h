#pragma once

#include <openssl/base.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/tls/secure_transports.h"
#include "net/tls/tls_spec.h"

namespace tulle::tls {

// The SSL_CTX of one spec with the requirements on peers. Immutable, shared by workers and by the
// transports made from it.
//
// No session tickets and no resumption: BoringSSL's server would not verify a resumed peer
// again.
class TlsProfile {
 public:
  static absl::StatusOr<std::shared_ptr<const TlsProfile>> ForServer(const ServerTlsSpec& spec);
  static absl::StatusOr<std::shared_ptr<const TlsProfile>> ForClient(const ClientTlsSpec& spec);

  SSL_CTX* native() const { return ctx_.get(); }
  bool is_server() const { return requirements_.role == certs::PeerRole::kClient; }
  const PeerRequirements& requirements() const { return requirements_; }
  // Client only; empty: none is sent.
  const std::string& sni() const { return sni_; }
  std::chrono::nanoseconds handshake_timeout() const { return handshake_timeout_; }

 private:
  TlsProfile() = default;
  absl::Status Configure(const TlsIdentity* identity, TlsVersion min_version,
                         TlsVersion max_version);
  static int SelectAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_length, const uint8_t* offered,
                        unsigned offered_length, void* profile);

  bssl::UniquePtr<SSL_CTX> ctx_;
  PeerRequirements requirements_;
  std::string sni_;
  std::vector<std::string> alpn_;
  std::chrono::nanoseconds handshake_timeout_{};
};

}  // namespace tulle::tls
