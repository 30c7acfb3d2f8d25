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

// The inputs and results of converting a resource with TLS.
struct TlsConversion {
  const tls::SecureTransports* transports = nullptr;
  const FileReader* files = nullptr;
  // The secret of that name, or null if it was not received yet.
  std::function<std::shared_ptr<const SecretSpec>(const std::string& name)> find_secret;

  // Results: every referenced secret, and those that the control plane has not sent yet.
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
                                            Milliseconds handshake_timeout,
                                            TlsConversion& conversion, const FieldPath& at);
// A hash of a server's transport_socket without its certificate and its requirements on peers.
uint64_t ServerSocketKey(const envoy::config::core::v3::TransportSocket& socket);
struct ClientSocket {
  std::shared_ptr<const tls::SecureConnector> tls;
  uint64_t key = 0;  // a hash of everything except secrets and SAN lists
  // TransportSocketSpec.tls_http2, if the protocol follows the downstream's and both are offered.
  std::shared_ptr<const tls::SecureConnector> tls_http2;
};
absl::StatusOr<ClientSocket> ToClientSocket(const envoy::config::core::v3::TransportSocket& socket,
                                            bool as_downstream, TlsConversion& conversion,
                                            const FieldPath& at);

}  // namespace tulle::config
