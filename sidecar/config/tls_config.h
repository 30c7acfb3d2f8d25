#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "net/tls/secure_transports.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/secret_spec.h"
#include "sidecar/config/values.h"

namespace tulle::config {

// What converting a resource with TLS needs, and what it finds.
struct TlsSurroundings {
  const tls::SecureTransports* transports = nullptr;
  const FileReader* files = nullptr;
  // The secret of that name, or null if it has not come yet.
  std::function<std::shared_ptr<const SecretSpec>(const std::string& name)> find_secret;

  // Found: every secret named, and those of them that control planes must send and have not.
  std::set<std::string> secrets;
  std::set<std::string> missing;
};

absl::StatusOr<SecretSpec> ToSecret(
    const envoy::extensions::transport_sockets::tls::v3::Secret& secret, const FileReader& files,
    const FieldPath& at);

// Of a transport_socket. `tls` is null for raw_buffer, and while a secret is missing.
struct ServerSocket {
  std::shared_ptr<const tls::SecureAcceptor> tls;
  std::string own_identity;   // URI SAN of the certificate
  int64_t own_not_after = 0;  // seconds since the epoch
};
absl::StatusOr<ServerSocket> ToServerSocket(const envoy::config::core::v3::TransportSocket& socket,
                                            Milliseconds handshake_timeout, TlsSurroundings& around,
                                            const FieldPath& at);
// A hash of a server's transport_socket without its certificate and whom it takes as its peer.
uint64_t ServerSocketKey(const envoy::config::core::v3::TransportSocket& socket);
struct ClientSocket {
  std::shared_ptr<const tls::SecureConnector> tls;
  uint64_t key = 0;  // a hash of what is not secrets and SAN lists
  // TransportSocketSpec.tls_http2, where the protocol is as the downstream's and both are offered.
  std::shared_ptr<const tls::SecureConnector> tls_http2;
};
absl::StatusOr<ClientSocket> ToClientSocket(const envoy::config::core::v3::TransportSocket& socket,
                                            bool as_downstream, TlsSurroundings& around,
                                            const FieldPath& at);

}  // namespace tulle::config
