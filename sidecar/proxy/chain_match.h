#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/base/socket_address.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/protocol_detection.h"

// Which filter chain serves a connection. Source: envoy.config.listener.v3.FilterChainMatch:
// criteria in its order, the most specific wins criterion by criterion.
namespace tulle::proxy {

struct Arrival {
  SocketAddress local;
  SocketAddress peer;
  const Offer& offer;
};

// Whether the choice of a chain depends on the first bytes.
bool NeedsOffer(const config::ListenerSpec& listener);
bool Matches(const config::ChainMatch& match, const Arrival& arrival);
// REQUIRES: both match.
bool MoreSpecific(const config::ChainMatch& a, const config::ChainMatch& b, const Arrival& arrival);

// A connection's TLS was made for `sni` by a chain whose server_names are `own`: whether `host` is
// a name that other chains of the listener serve. False for the names that sidecars use among
// themselves, such as outbound_.80_._.web.default. RFC 9110 15.5.20.
bool IsMisdirected(std::string_view host, std::string_view sni, const std::vector<std::string>& own,
                   const std::vector<std::string>& elsewhere);

}  // namespace tulle::proxy
