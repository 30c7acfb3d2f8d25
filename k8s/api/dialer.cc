#include "k8s/api/dialer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"

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

Dialer::Dialer(loop::Loop& loop, const tls::SecureTransports& transports, Cluster cluster,
               OnProblem on_problem)
    : loop_(loop),
      transports_(transports),
      cluster_(std::move(cluster)),
      on_problem_(std::move(on_problem)) {
  const auto address = SocketAddress::Parse(cluster_.host, cluster_.port);
  is_literal_ = address.has_value();
  if (is_literal_) addresses_ = {*address};
}

absl::StatusOr<std::shared_ptr<const tls::SecureConnector>> Dialer::MakeConnector() const {
  tls::ClientTlsSpec spec;
  const auto ca = cluster_.ca.Read();
  if (!ca.ok()) return ca.status();
  auto trust = certs::TrustBundle::AnyDomainFromPem(*ca);
  if (!trust.ok()) return trust.status();
  spec.trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
  spec.require_spiffe = false;
  if (IsAddress(cluster_.server_name)) {
    spec.san_matchers = {*certs::SanMatcher::Make(certs::SanType::kIp, certs::SanMatch::kExact,
                                                  cluster_.server_name)};
  } else {
    spec.san_matchers = {certs::SanMatcher::ExactDns(cluster_.server_name)};
    spec.sni = cluster_.server_name;
  }
  spec.alpn = {"h2"};
  if (!cluster_.client_certificate.empty()) {
    auto identity = IdentityOf(cluster_);
    if (!identity.ok()) return identity.status();
    spec.identity = *std::move(identity);
  }
  return transports_.NewConnector(std::move(spec));
}

std::unique_ptr<Transport> Dialer::Dial() {
  if (addresses_.empty()) {
    Resolve();
    return nullptr;
  }
  const auto connector = MakeConnector();
  if (!connector.ok()) {
    on_problem_(absl::StrCat("cannot connect to the API server: ", connector.status().message()));
    return nullptr;
  }
  const SocketAddress to = addresses_[next_++ % addresses_.size()];
  // The next attempts use the addresses that the name has then.
  if (!is_literal_ && next_ >= addresses_.size()) {
    addresses_.clear();
    next_ = 0;
    Resolve();
  }
  return (*connector)->Connect(loop_, to, SocketAddress());
}

void Dialer::Resolve() {
  if (resolution_ != nullptr) return;
  resolution_ = loop_.Resolve(
      cluster_.host, cluster_.port,
      [this](std::vector<SocketAddress> addresses, const std::string& error) {
        if (!error.empty()) {
          on_problem_(absl::StrCat("cannot resolve the API server ", cluster_.host, ": ", error));
        }
        addresses_ = std::move(addresses);
        next_ = 0;
        loop_.Post([done = std::move(resolution_)] {});
      });
}

}  // namespace tulle::k8s
