#include "sidecar/proxy/listener_chains.h"

#include <algorithm>
#include <utility>

#include "sidecar/proxy/chain_match.h"

namespace tulle::proxy {

ListenerChain ListenerChains::Make(const std::shared_ptr<const config::FilterChainSpec>& spec,
                                   config::Direction direction, RouteSlots& routes) const {
  for (const ListenerChain& old : chains_) {
    if (old.spec == spec) return old;
  }
  ListenerChain chain{spec, nullptr};
  if (std::holds_alternative<config::HttpSpec>(spec->proxy))
    chain.http = std::make_shared<HttpChain>(spec, direction, routes);
  return chain;
}

void ListenerChains::Update(const config::ListenerSpec& spec, RouteSlots& routes) {
  std::vector<ListenerChain> chains;
  for (const auto& chain : spec.chains) chains.push_back(Make(chain, spec.direction, routes));
  default_chain_ = spec.default_chain == nullptr ? ListenerChain{}
                                                 : Make(spec.default_chain, spec.direction, routes);
  chains_ = std::move(chains);
}

const ListenerChain* ListenerChains::Find(const loop::Socket& socket, const Offer& offer) const {
  const Arrival arrival{socket.LocalAddress(), socket.PeerAddress(), offer};
  const ListenerChain* best = nullptr;
  for (const ListenerChain& chain : chains_) {
    if (!Matches(chain.spec->match, arrival)) continue;
    if (best == nullptr || MoreSpecific(chain.spec->match, best->spec->match, arrival))
      best = &chain;
  }
  if (best == nullptr && default_chain_.spec != nullptr) return &default_chain_;
  return best;
}

bool ListenerChains::DistinguishHttp(const loop::Socket& socket, const ListenerChain* bytes) const {
  Offer offer;
  for (const char* name : {"http/1.0", "http/1.1", "h2c"}) {
    offer.application_protocols.assign(1, name);
    if (Find(socket, offer) != bytes) return true;
  }
  return false;
}

const ListenerChain* ListenerChains::TlsChainFor(const loop::Socket& socket) const {
  const uint16_t port = socket.LocalAddress().port();
  const auto found =
      std::find_if(chains_.begin(), chains_.end(), [port](const ListenerChain& chain) {
        const uint16_t only = chain.spec->match.destination_port;
        return chain.spec->tls != nullptr && (only == 0 || only == port);
      });
  return found == chains_.end() ? nullptr : &*found;
}

template <typename Same>
const ListenerChain* ListenerChains::FindIf(Same same) const {
  const auto found = std::find_if(chains_.begin(), chains_.end(),
                                  [&](const ListenerChain& chain) { return same(*chain.spec); });
  if (found != chains_.end()) return &*found;
  return default_chain_.spec != nullptr && same(*default_chain_.spec) ? &default_chain_ : nullptr;
}

const ListenerChain* ListenerChains::Successor(const config::FilterChainSpec& spec) const {
  return FindIf([&](const config::FilterChainSpec& one) {
    return &one == &spec || (spec.key != 0 && one.key == spec.key);
  });
}

const ListenerChain* ListenerChains::Namesake(const config::FilterChainSpec& spec) const {
  return FindIf([&](const config::FilterChainSpec& one) {
    return !spec.name.empty() && one.name == spec.name;
  });
}

}  // namespace tulle::proxy
