#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "certs/certificate.h"
#include "certs/private_key.h"
#include "certs/san_matcher.h"
#include "certs/trust_bundle.h"

// The configuration of one side of TLS: immutable once a secure transport was made from it.
namespace tulle::tls {

enum class TlsVersion : uint16_t { k12 = 0x0303, k13 = 0x0304 };

struct TlsIdentity {
  std::vector<certs::Certificate> chain;  // leaf first
  certs::PrivateKey key;
};

// Envoy leaves this to the operator (transport_socket_connect_timeout and others).
inline constexpr std::chrono::nanoseconds kHandshakeTimeout = std::chrono::seconds(10);

struct ServerTlsSpec {
  std::shared_ptr<const TlsIdentity> identity;
  // Null: no client certificate is requested.
  std::shared_ptr<const certs::TrustBundle> trust;
  bool require_client_certificate = true;
  // certs::VerifyRules::require_spiffe.
  bool require_spiffe = true;
  // Allowed client names; empty: any.
  std::vector<certs::SanMatcher> san_matchers;
  // In the server's order of preference. Without a common protocol none is negotiated and the
  // handshake continues, as in Envoy.
  std::vector<std::string> alpn;
  TlsVersion min_version = TlsVersion::k13;
  TlsVersion max_version = TlsVersion::k13;
  std::chrono::nanoseconds handshake_timeout = kHandshakeTimeout;
};

struct ClientTlsSpec {
  // Null: no certificate is presented.
  std::shared_ptr<const TlsIdentity> identity;
  // Null: the server is not verified, as in Envoy without a validation context.
  std::shared_ptr<const certs::TrustBundle> trust;
  bool require_spiffe = true;
  std::vector<certs::SanMatcher> san_matchers;
  std::vector<std::string> alpn;  // offered, in this order
  std::string sni;                // empty: none is sent
  TlsVersion min_version = TlsVersion::k13;
  TlsVersion max_version = TlsVersion::k13;
  std::chrono::nanoseconds handshake_timeout = kHandshakeTimeout;
};

}  // namespace tulle::tls
