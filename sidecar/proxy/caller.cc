#include "sidecar/proxy/caller.h"

#include "absl/strings/ascii.h"
#include "sidecar/config/listener_spec.h"

namespace tulle::proxy {

Caller::Caller(const SocketAddress& peer, const SocketAddress& destination) {
  subject_.direct_remote = subject_.remote = peer;
  subject_.destination = destination;
}

Caller::Caller(const Transport& transport, uint64_t connection)
    : Caller(transport.PeerAddress(), transport.LocalAddress()) {
  is_tls_ = transport.is_tls();
  connection_ = connection;
  tls_terms_ = transport.tls_terms();
  sni_ = std::string(transport.sni());
  absl::AsciiStrToLower(&sni_);
  subject_.server_name = transport.sni();
  if (transport.peer() != nullptr) SetIdentity(*transport.peer());
}

Caller::Caller(const PeerIdentity& identity, const SocketAddress& peer,
               const SocketAddress& destination)
    : Caller(peer, destination) {
  is_tls_ = true;
  SetIdentity(identity);
}

void Caller::SetIdentity(const PeerIdentity& identity) {
  identity_ = &identity;
  subject_.authenticated = true;
  subject_.subject = identity.subject;
  uri_san_ = identity.spiffe_id;
  dns_sans_.assign(identity.dns_sans.begin(), identity.dns_sans.end());
}

policy::Subject Caller::AsSubject(const http::Head* head) const {
  policy::Subject subject = subject_;
  if (!uri_san_.empty()) subject.uri_sans = {&uri_san_, 1};
  subject.dns_sans = dns_sans_;
  subject.head = head;
  return subject;
}

const std::string& Caller::CertificateElement(const config::FilterChainSpec& chain) {
  if (identity_ == nullptr || !certificate_element_.empty()) return certificate_element_;
  std::string& element = certificate_element_;
  const auto& spec = std::get<config::HttpSpec>(chain.proxy);
  if (!chain.own_identity.empty()) element += "By=" + chain.own_identity + ";";
  element += "Hash=" + identity_->certificate_sha256;
  if (spec.forward_subject) element += ";Subject=\"" + identity_->subject + "\"";
  if (spec.forward_uri) element += ";URI=" + identity_->spiffe_id;
  if (spec.forward_dns) {
    for (const std::string& name : identity_->dns_sans) element += ";DNS=" + name;
  }
  return element;
}

}  // namespace tulle::proxy
