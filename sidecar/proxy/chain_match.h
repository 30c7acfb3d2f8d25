#pragma once

#include "net/base/socket_address.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/protocol_detection.h"

// Which filter chain takes a connection. Source: envoy.config.listener.v3.FilterChainMatch:
// criteria in its order, the most specific wins criterion by criterion.
namespace tulle::proxy {

struct Arrival {
  SocketAddress local;
  SocketAddress peer;
  const Offer& offer;
};

// Whether a chain asks for what only the first bytes tell.
bool NeedsOffer(const config::ListenerSpec& listener);
bool Matches(const config::ChainMatch& match, const Arrival& arrival);
// REQUIRES: both match.
bool MoreSpecific(const config::ChainMatch& a, const config::ChainMatch& b, const Arrival& arrival);

}  // namespace tulle::proxy
