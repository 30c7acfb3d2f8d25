#include "tests/simulation/mesh_identity.h"

#include <utility>

#include "certs/spiffe_id.h"
#include "net/tls/tls_transports.h"

namespace tulle::simulation {
namespace {

constexpr char kTrustDomain[] = "cluster.local";
constexpr int64_t kNow = 1893456000;  // where sim::Simulation's wall clock starts

certs::SpiffeId IdOf(std::string_view service_account) {
  return *certs::SpiffeId::ForWorkload(kTrustDomain, "default", service_account);
}

}  // namespace

MeshIdentity::MeshIdentity(uint64_t seed)
    : keys_(seed),
      authority_(*certs::Authority::CreateRoot(kTrustDomain, keys_, kNow)),
      trust_(std::make_shared<const certs::TrustBundle>(
          certs::TrustBundle::OfDomain(kTrustDomain, {authority_.certificate()}))) {}

std::shared_ptr<const tls::TlsIdentity> MeshIdentity::Issue(std::string_view service_account) {
  certs::PrivateKey key = keys_.Generate();
  const certs::SvidRequest order{.id = IdOf(service_account), .public_key = key.native()};
  certs::Certificate leaf = *authority_.Issue(order, keys_, kNow);
  return std::make_shared<const tls::TlsIdentity>(
      tls::TlsIdentity{{std::move(leaf)}, std::move(key)});
}

std::shared_ptr<const tls::SecureAcceptor> MeshIdentity::NewAcceptor(
    std::string_view service_account, std::string alpn) {
  tls::ServerTlsSpec spec;
  spec.identity = Issue(service_account);
  spec.trust = trust_;
  spec.alpn = {std::move(alpn)};
  return *tls::TlsTransports().NewAcceptor(std::move(spec));
}

std::shared_ptr<const tls::SecureConnector> MeshIdentity::NewConnector(
    std::string_view service_account, std::string_view peer_account, std::string alpn) {
  tls::ClientTlsSpec spec;
  spec.identity = Issue(service_account);
  spec.trust = trust_;
  spec.san_matchers = {certs::SanMatcher::ExactUri(IdOf(peer_account).ToString())};
  spec.alpn = {std::move(alpn)};
  return *tls::TlsTransports().NewConnector(std::move(spec));
}

}  // namespace tulle::simulation
