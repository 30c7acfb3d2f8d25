#include "k8s/api/server_tls.h"

#include <memory>
#include <utility>

#include "certs/certificate.h"
#include "certs/private_key.h"
#include "certs/trust_bundle.h"
#include "net/base/socket_address.h"

namespace tulle::k8s {
namespace {

bool IsAddress(const std::string& host) { return SocketAddress::Parse(host, 1).has_value(); }

absl::StatusOr<std::shared_ptr<const tls::TlsIdentity>> IdentityOf(const Cluster& cluster) {
  const auto pem = cluster.client_certificate.Read();
  if (!pem.ok()) return pem.status();
  const auto key_pem = cluster.client_key.Read();
  if (!key_pem.ok()) return key_pem.status();
  auto chain = certs::ParsePemCertificates(*pem);
  if (!chain.ok()) return chain.status();
  auto key = certs::PrivateKey::FromPem(*key_pem);
  if (!key.ok()) return key.status();
  return std::make_shared<const tls::TlsIdentity>(
      tls::TlsIdentity{*std::move(chain), *std::move(key)});
}

}  // namespace

absl::StatusOr<tls::ClientTlsSpec> TlsWith(const Cluster& cluster, const std::string& protocol) {
  tls::ClientTlsSpec spec;
  const auto ca = cluster.ca.Read();
  if (!ca.ok()) return ca.status();
  auto trust = certs::TrustBundle::AnyDomainFromPem(*ca);
  if (!trust.ok()) return trust.status();
  spec.trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
  spec.require_spiffe = false;
  if (IsAddress(cluster.server_name)) {
    spec.san_matchers = {*certs::SanMatcher::Make(certs::SanType::kIp, certs::SanMatch::kExact,
                                                  cluster.server_name)};
  } else {
    spec.san_matchers = {certs::SanMatcher::ExactDns(cluster.server_name)};
    spec.sni = cluster.server_name;
  }
  spec.alpn = {protocol};
  if (!cluster.client_certificate.empty()) {
    auto identity = IdentityOf(cluster);
    if (!identity.ok()) return identity.status();
    spec.identity = *std::move(identity);
  }
  return spec;
}

}  // namespace tulle::k8s
