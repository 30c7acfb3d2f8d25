#pragma once

#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/protocol_detection.h"

namespace tulle::proxy {

// A filter chain with what this worker made of it.
struct ListenerChain {
  std::shared_ptr<const config::FilterChainSpec> spec;  // null: there is none
  std::shared_ptr<HttpChain> http;                      // null for TCP
};

// The filter chains of one listener on one worker. Owner: ActiveListener. Thread: the worker's.
class ListenerChains {
 public:
  // Unchanged chains are kept as they are.
  void Update(const config::ListenerSpec& spec, RouteSlots& routes);

  // The chain for a new connection; null: none matches.
  const ListenerChain* Find(const loop::Socket& socket, const Offer& offer) const;
  // Whether plaintext HTTP to that destination gets another chain than other bytes, which get
  // `bytes`.
  bool DistinguishHttp(const loop::Socket& socket, const ListenerChain* bytes) const;
  // That would terminate TLS to that destination. Null: none.
  const ListenerChain* TlsChainFor(const loop::Socket& socket) const;
  // The present version of `spec`, if it is still configured the same but for its certificates.
  const ListenerChain* Successor(const config::FilterChainSpec& spec) const;
  // The chain of the same name, whose rules may have changed: what cannot drain follows it.
  const ListenerChain* Namesake(const config::FilterChainSpec& spec) const;

 private:
  ListenerChain Make(const std::shared_ptr<const config::FilterChainSpec>& spec,
                     config::Direction direction, RouteSlots& routes) const;
  template <typename Same>
  const ListenerChain* FindIf(Same same) const;

  std::vector<ListenerChain> chains_;
  ListenerChain default_chain_;
};

}  // namespace tulle::proxy
