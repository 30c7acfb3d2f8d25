#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/socket_address.h"
#include "net/socket/transport.h"
#include "sidecar/policy/rule.h"

namespace tulle::config {
struct FilterChainSpec;
}

namespace tulle::proxy {

// The peer of a downstream connection. Made when the transport is ready; valid as long as the
// transport. Owner: DownstreamConnection, TcpRelay. Thread: the worker's.
class Caller {
 public:
  // `connection`: see Services::connections.
  explicit Caller(const Transport& transport, uint64_t connection = 0);
  // Verified by TLS; `identity` outlives this.
  Caller(const PeerIdentity& identity, const SocketAddress& peer, const SocketAddress& destination);
  // In plaintext.
  Caller(const SocketAddress& peer, const SocketAddress& destination);

  // As authorization and rate limits see it. `head` null: the connection itself is decided on.
  policy::Subject AsSubject(const http::Head* head) const;
  // Verified by TLS; null: plaintext, or TLS without a client certificate.
  const PeerIdentity* identity() const { return identity_; }
  bool is_tls() const { return is_tls_; }
  const TlsTerms& tls_terms() const { return tls_terms_; }
  // In lower case; empty: none.
  std::string_view sni() const { return sni_; }
  uint64_t connection() const { return connection_; }
  const SocketAddress& peer_address() const { return subject_.direct_remote; }
  const SocketAddress& local_address() const { return subject_.destination; }
  // The element of x-forwarded-client-cert for this peer, made once. By names us, the rest the
  // peer. Source: x-forwarded-client-cert in Envoy's documentation of HTTP headers.
  const std::string& CertificateElement(const config::FilterChainSpec& chain);

 private:
  void SetIdentity(const PeerIdentity& identity);

  const PeerIdentity* identity_ = nullptr;
  bool is_tls_ = false;
  TlsTerms tls_terms_;
  uint64_t connection_ = 0;
  std::string sni_;
  std::string certificate_element_;
  std::string_view uri_san_;
  std::vector<std::string_view> dns_sans_;
  policy::Subject subject_;
};

}  // namespace tulle::proxy
