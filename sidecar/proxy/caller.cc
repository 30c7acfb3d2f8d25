#include "sidecar/proxy/caller.h"

namespace tulle::proxy {

Caller::Caller(const SocketAddress& peer, const SocketAddress& destination) {
  subject_.direct_remote = subject_.remote = peer;
  subject_.destination = destination;
}

Caller::Caller(const Transport& transport)
    : Caller(transport.PeerAddress(), transport.LocalAddress()) {
  subject_.server_name = transport.sni();
  const PeerIdentity* peer = transport.peer();
  if (peer == nullptr) return;
  subject_.authenticated = true;
  subject_.subject = peer->subject;
  uri_san_ = peer->spiffe_id;
  dns_sans_.assign(peer->dns_sans.begin(), peer->dns_sans.end());
}

policy::Subject Caller::AsSubject(const http::Head* head) const {
  policy::Subject subject = subject_;
  if (!uri_san_.empty()) subject.uri_sans = {&uri_san_, 1};
  subject.dns_sans = dns_sans_;
  subject.head = head;
  return subject;
}

}  // namespace tulle::proxy
