#include "sidecar/proxy/active_listener.h"

#include <algorithm>
#include <utility>

#include "net/socket/transports.h"
#include "net/tls/second_judgement.h"
#include "net/tls/secure_transports.h"
#include "sidecar/proxy/chain_match.h"
#include "sidecar/proxy/downstream_limit.h"

namespace tulle::proxy {

ActiveListener::ActiveListener(Services& services, std::shared_ptr<const config::ListenerSpec> spec)
    : services_(services) {
  Update(std::move(spec));
}

ActiveListener::~ActiveListener() { CloseAll(); }

bool ActiveListener::Listen(int* error) {
  loop::ListenOptions options;
  options.backlog = spec_->backlog;
  listener_ = services_.loop.Listen(spec_->address, options, *this, error);
  return listener_ != nullptr;
}

ActiveListener::Chain ActiveListener::MakeChain(
    const std::shared_ptr<const config::FilterChainSpec>& spec) {
  for (const Chain& old : chains_) {
    if (old.spec == spec) return old;
  }
  Chain chain{spec, nullptr};
  if (std::holds_alternative<config::HttpSpec>(spec->proxy)) {
    chain.http = std::make_shared<HttpChain>(spec, spec_->direction, services_.routes);
  }
  return chain;
}

void ActiveListener::Update(std::shared_ptr<const config::ListenerSpec> spec) {
  spec_ = std::move(spec);
  std::vector<Chain> chains;
  for (const auto& chain : spec_->chains) chains.push_back(MakeChain(chain));
  default_chain_ = spec_->default_chain == nullptr ? Chain{} : MakeChain(spec_->default_chain);
  chains_ = std::move(chains);
  FollowChains();
}

// Connections of chains that are gone answer what they have and close. A renewed certificate is no
// other chain.
void ActiveListener::FollowChains() {
  tls::SecondJudgement judgement(services_.loop);
  connections_.ForEach([&](DownstreamConnection& connection) {
    const Chain* chain = Successor(*connection.chain().owner);
    if (chain == nullptr) return connection.Drain();
    connection.JudgePeer(judgement, chain->spec->tls);
  });
  relays_.ForEach([&](TcpRelay& relay) { FollowChain(relay, judgement); });
}

// Relays cannot drain: they stay as long as their peer may be here. By name they follow a chain
// whose rules have changed.
void ActiveListener::FollowChain(TcpRelay& relay, tls::SecondJudgement& judgement) {
  const config::FilterChainSpec& own = *relay.chain();
  const Chain* chain = Successor(own);
  for (const Chain& named : chains_) {
    if (chain == nullptr && !own.name.empty() && named.spec->name == own.name) chain = &named;
  }
  if (chain == nullptr || chain->spec == relay.chain() || chain->http != nullptr) return;
  relay.Follow(chain->spec, judgement);
}

// The chain that now stands in the place of `spec`, if it is another version of the same.
const ActiveListener::Chain* ActiveListener::Successor(const config::FilterChainSpec& spec) const {
  const auto same = [&](const Chain& chain) {
    return chain.spec.get() == &spec ||
           (chain.spec != nullptr && spec.key != 0 && chain.spec->key == spec.key);
  };
  const auto found = std::find_if(chains_.begin(), chains_.end(), same);
  if (found != chains_.end()) return &*found;
  return same(default_chain_) ? &default_chain_ : nullptr;
}

void ActiveListener::OnAccept(std::unique_ptr<loop::Socket> socket) {
  if (services_.downstream_limit != nullptr && !services_.downstream_limit->TryEnter())
    return services_.observer.OnDownstreamRefused();
  if (spec_->inspect_tls || NeedsOffer(*spec_)) {
    auto* detection =
        new ProtocolDetection(*this, services_.loop, services_.deadlines, std::move(socket));
    detections_.PushBack(*detection);
    return detection->Start(spec_->inspection_timeout, spec_->continue_on_inspection_timeout);
  }
  Buffer nothing(services_.loop.slab());
  const Chain* chain = FindChain(*socket, Offer{});
  if (chain == nullptr) return LeaveLimit();
  Serve(*chain, std::move(socket), nothing);
}

void ActiveListener::LeaveLimit() {
  if (services_.downstream_limit != nullptr) services_.downstream_limit->Leave();
}

const ActiveListener::Chain* ActiveListener::FindChain(const loop::Socket& socket,
                                                       const Offer& offer) const {
  const Arrival arrival{socket.LocalAddress(), socket.PeerAddress(), offer};
  const Chain* best = nullptr;
  for (const Chain& chain : chains_) {
    if (!Matches(chain.spec->match, arrival)) continue;
    if (best == nullptr || MoreSpecific(chain.spec->match, best->spec->match, arrival))
      best = &chain;
  }
  if (best == nullptr && default_chain_.spec != nullptr) return &default_chain_;
  return best;
}

void ActiveListener::OnDetected(ProtocolDetection& detection) {
  const Chain* chain = FindChain(*detection.socket, detection.offer);
  if (chain == nullptr) return OnDetectionFailed(detection);
  Serve(*chain, std::move(detection.socket), detection.early);
  static_cast<ListNode<ProtocolDetection>&>(detection).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&detection));
}

void ActiveListener::OnDetectionFailed(ProtocolDetection& detection) {
  LeaveLimit();
  static_cast<ListNode<ProtocolDetection>&>(detection).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&detection));
}

void ActiveListener::Serve(const Chain& chain, std::unique_ptr<loop::Socket> socket,
                           Buffer& early) {
  std::unique_ptr<Transport> transport;
  if (chain.spec->tls == nullptr) {
    transport = PlainAcceptor().Accept(services_.loop, std::move(socket));
  } else {
    transport = chain.spec->tls->Accept(services_.loop, std::move(socket), std::move(early));
  }
  if (chain.http != nullptr) {
    auto* connection = new DownstreamConnection(*this, services_, chain.http, std::move(transport));
    connections_.PushBack(*connection);
    return connection->Start(early);
  }
  auto* relay = new TcpRelay(*this, services_, chain.spec, spec_->direction, std::move(transport));
  relays_.PushBack(*relay);
  relay->Start(early);
}

void ActiveListener::OnDownstreamDone(DownstreamConnection& connection) {
  LeaveLimit();
  static_cast<ListNode<DownstreamConnection>&>(connection).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&connection));
}

void ActiveListener::OnRelayDone(TcpRelay& relay) {
  LeaveLimit();
  static_cast<ListNode<TcpRelay>&>(relay).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&relay));
}

void ActiveListener::Drain() {
  listener_.reset();
  connections_.ForEach([](DownstreamConnection& connection) { connection.Drain(); });
}

void ActiveListener::CloseAll() {
  listener_.reset();
  while (!detections_.empty()) OnDetectionFailed(detections_.front());
  while (!connections_.empty()) {
    DownstreamConnection& connection = connections_.front();
    connection.Close();
    OnDownstreamDone(connection);
  }
  while (!relays_.empty()) {
    TcpRelay& relay = relays_.front();
    relay.Close();
    OnRelayDone(relay);
  }
}

}  // namespace tulle::proxy
