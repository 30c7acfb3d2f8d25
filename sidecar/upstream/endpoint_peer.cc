#include "sidecar/upstream/endpoint_peer.h"

#include <utility>

#include "net/tls/peer_revalidation.h"

namespace tulle::upstream {

void EndpointPeer::Update(const EndpointSpec& spec, const TransportSocketSpec& socket) {
  identity_changed_ |= !spec.spiffe_id.empty() && spec.spiffe_id != spec_.spiffe_id;
  spec_ = spec;
  socket_ = &socket;
}

bool EndpointPeer::TakeNarrowed(tls::PeerRevalidation& revalidation) {
  const std::shared_ptr<const tls::SecureConnector> before =
      std::exchange(verified_by_, socket_->tls);
  if (std::exchange(identity_changed_, false)) return true;
  if (verified_by_ == before || verified_by_ == nullptr) return false;
  return before == nullptr ||
         !revalidation.Widens(before->requirements(), verified_by_->requirements());
}

bool EndpointPeer::Passes(const Transport& transport, tls::PeerRevalidation& revalidation) const {
  return HasExpectedIdentity(spec_, transport) &&
         (socket_->tls == nullptr || revalidation.Passes(transport, socket_->tls->requirements()));
}

bool EndpointPeer::Admits(loop::Loop& loop, const Transport& transport,
                          const tls::SecureConnector* dialled_by) const {
  if (socket_->tls.get() == dialled_by) return HasExpectedIdentity(spec_, transport);
  tls::PeerRevalidation revalidation(loop);
  return Passes(transport, revalidation);
}

}  // namespace tulle::upstream
