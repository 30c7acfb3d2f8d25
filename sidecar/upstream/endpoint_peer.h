#pragma once

#include <memory>

#include "net/loop/loop.h"
#include "sidecar/upstream/dial.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::upstream {

// Where the connections of an endpoint lead, and who must be at their other end. Owner: Endpoint.
// Thread: the worker's.
class EndpointPeer {
 public:
  // `socket` is in the cluster's spec; Update replaces it before that spec is destroyed.
  EndpointPeer(const EndpointSpec& spec, const TransportSocketSpec& socket)
      : spec_(spec), socket_(&socket), verified_by_(socket.tls) {}

  const EndpointSpec& spec() const { return spec_; }
  const TransportSocketSpec& socket() const { return *socket_; }
  // Call TakeNarrowed afterwards.
  void Update(const EndpointSpec& spec, const TransportSocketSpec& socket);
  // Whether open connections may have a peer that is no longer accepted since the last call.
  bool TakeNarrowed(tls::PeerRevalidation& revalidation);

  // Whether a connection whose transport has just become ready may be used. `dialled_by`: the value
  // of socket().tls when it was dialled, which may have changed since.
  bool Admits(loop::Loop& loop, const Transport& transport,
              const tls::SecureConnector* dialled_by) const;
  bool Passes(const Transport& transport, tls::PeerRevalidation& revalidation) const;

 private:
  EndpointSpec spec_;
  const TransportSocketSpec* socket_;
  // All open connections were accepted by its requirements, and had the expected identity.
  std::shared_ptr<const tls::SecureConnector> verified_by_;
  bool identity_changed_ = false;
};

}  // namespace tulle::upstream
