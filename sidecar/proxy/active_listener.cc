#include "sidecar/proxy/active_listener.h"

#include <algorithm>
#include <utility>

#include "net/socket/transports.h"
#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/proxy/chain_match.h"
#include "sidecar/proxy/destinations.h"
#include "sidecar/proxy/downstream_limit.h"

namespace tulle::proxy {
namespace {

// A client that speaks first has done so by then.
constexpr config::Milliseconds kSilence{10};
constexpr config::Milliseconds kSilenceAfterFailure{1000};
// What is left of a removed listener or chain ends by then. Source: Envoy's --drain-time-s.
constexpr config::Milliseconds kRetirement{600'000};

}  // namespace

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

// Connections of chains that are gone answer what they have and close; upgraded they stay as long
// as their peer may be here. A renewed certificate is no other chain.
void ActiveListener::FollowChains() {
  tls::PeerRevalidation revalidation(services_.loop);
  connections_.ForEach([&](DownstreamConnection& connection) {
    const config::FilterChainSpec& own = *connection.chain().owner;
    const Chain* chain = Successor(own);
    if (chain == nullptr) {
      chain = Namesake(own);
      if (chain == nullptr || chain->http == nullptr) return connection.Retire(kRetirement);
      connection.Drain();
      connection.JudgeUpgraded(chain->http->spec);
    }
    connection.RevalidatePeer(revalidation, chain->spec->tls);
  });
  relays_.ForEach([&](TcpRelay& relay) { FollowChain(relay, revalidation); });
}

// The chain of the same name, whose rules may have changed: what cannot drain follows it.
const ActiveListener::Chain* ActiveListener::Namesake(const config::FilterChainSpec& spec) const {
  const auto same = [&](const Chain& chain) {
    return chain.spec != nullptr && !spec.name.empty() && chain.spec->name == spec.name;
  };
  const auto found = std::find_if(chains_.begin(), chains_.end(), same);
  if (found != chains_.end()) return &*found;
  return same(default_chain_) ? &default_chain_ : nullptr;
}

// Relays cannot drain: they stay as long as their chain does and their peer may be here.
void ActiveListener::FollowChain(TcpRelay& relay, tls::PeerRevalidation& revalidation) {
  const config::FilterChainSpec& own = *relay.chain();
  const Chain* chain = Successor(own);
  if (chain == nullptr) chain = Namesake(own);
  if (chain == nullptr || chain->http != nullptr) return relay.Retire(kRetirement);
  relay.Follow(chain->spec, revalidation);
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
    return services_.observer.OnDownstreamRefused(Refusal::kLimit);
  services_.observer.OnDownstreamAccepted();
  if (services_.ShortOfMemory()) return Refuse(std::move(socket), Refusal::kMemory);
  if (!spec_->restore_destination) return Take(std::move(socket));
  if (!socket->RestoreDestination() || IsLoop(*socket))
    return Refuse(std::move(socket), Refusal::kLoop);
  if (!spec_->hand_off || services_.destinations == nullptr) return Take(std::move(socket));
  services_.destinations->Arrive(*this, std::move(socket));
}

// Inbound, the destination must be ours: else we would be led on to wherever it says, from inside.
// Outbound it must not be this listener itself.
bool ActiveListener::IsLoop(const loop::Socket& socket) const {
  const SocketAddress destination = socket.LocalAddress();
  const bool own = services_.loop.IsOwnAddress(destination);
  const bool this_port = destination.port() == listener_->LocalAddress().port();
  return (own && this_port) || (!own && spec_->direction == config::Direction::kInbound);
}

void ActiveListener::Refuse(std::unique_ptr<loop::Socket> socket, Refusal why) {
  socket->ResetOnClose();
  services_.observer.OnDownstreamRefused(why);
  CountClosed();
}

void ActiveListener::Take(std::unique_ptr<loop::Socket> socket) {
  used_ = true;
  last_arrival_ = services_.loop.Now();
  if (spec_->inspect_tls || spec_->inspect_http || NeedsOffer(*spec_))
    return Detect(std::move(socket));
  Buffer nothing(services_.loop.slab());
  const Chain* chain = FindChain(*socket, Offer{});
  if (chain == nullptr) return CountClosed();
  Serve(*chain, std::move(socket), nothing);
}

void ActiveListener::Detect(std::unique_ptr<loop::Socket> socket) {
  ProtocolDetection::Options options;
  options.timeout = spec_->inspection_timeout;
  options.judge_at_timeout = spec_->continue_on_inspection_timeout;
  const Chain* silent = FindChain(*socket, Offer{});
  options.inspect_http = spec_->inspect_http && HttpMakesADifference(*socket, silent);
  const bool may_race =
      silent != nullptr && silent->http == nullptr && silent->spec->tls == nullptr;
  const bool known = may_race && server_first_.Knows(socket->LocalAddress(), services_.loop.Now());
  if (may_race && !known) options.silence = kSilence;
  auto* detection =
      new ProtocolDetection(*this, services_.loop, services_.deadlines, std::move(socket));
  detections_.PushBack(*detection);
  detection->Start(options);
  if (known) OnSilence(*detection);
}

// Whether HTTP in plaintext goes another way than other bytes to that destination.
bool ActiveListener::HttpMakesADifference(const loop::Socket& socket, const Chain* bytes) const {
  Offer offer;
  for (const char* name : {"http/1.0", "http/1.1", "h2c"}) {
    offer.application_protocols.assign(1, name);
    if (FindChain(socket, offer) != bytes) return true;
  }
  return false;
}

// The server may be who speaks first. Its connection is opened ahead; if the client turns out to
// speak another protocol, it is closed again without a byte.
void ActiveListener::OnSilence(ProtocolDetection& detection) {
  const Chain* chain = FindChain(*detection.socket, Offer{});
  if (chain == nullptr || chain->http != nullptr || chain->spec->tls != nullptr) return;
  auto* relay = new TcpRelay(*this, services_, chain->spec, spec_->direction, nullptr);
  relays_.PushBack(*relay);
  detection.ahead = relay;
  relay->detection = &detection;
  relay->StartAhead(detection.socket->PeerAddress(), detection.socket->LocalAddress());
}

void ActiveListener::OnServerSpoke(TcpRelay& relay) {
  ProtocolDetection& detection = *relay.detection;
  server_first_.Remember(detection.socket->LocalAddress(), services_.loop.Now());
  detection.ServerSpoke();
}

void ActiveListener::CountClosed() {
  services_.observer.OnDownstreamClosed();
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
  TcpRelay* ahead = std::exchange(detection.ahead, nullptr);
  if (ahead != nullptr && ahead->chain() == chain->spec) {
    ahead->detection = nullptr;
    ahead->TakeDownstream(PlainAcceptor().Accept(services_.loop, std::move(detection.socket)),
                          detection.early);
  } else {
    if (ahead != nullptr) Drop(*ahead);
    Serve(*chain, std::move(detection.socket), detection.early);
  }
  Close(detection);
}

void ActiveListener::OnDetectionFailed(ProtocolDetection& detection) {
  CountClosed();
  Close(detection);
}

void ActiveListener::Close(ProtocolDetection& detection) {
  if (TcpRelay* ahead = std::exchange(detection.ahead, nullptr)) Drop(*ahead);
  static_cast<ListNode<ProtocolDetection>&>(detection).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&detection));
}

// A relay that never got its downstream connection.
void ActiveListener::Drop(TcpRelay& relay) {
  relay.Close();
  static_cast<ListNode<TcpRelay>&>(relay).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&relay));
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
    if (ending_) connection->AnnounceEnd();
    return connection->Start(early);
  }
  auto* relay = new TcpRelay(*this, services_, chain.spec, spec_->direction, std::move(transport));
  relays_.PushBack(*relay);
  relay->Start(early);
}

void ActiveListener::OnDownstreamDone(DownstreamConnection& connection) {
  CountClosed();
  static_cast<ListNode<DownstreamConnection>&>(connection).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&connection));
}

void ActiveListener::OnRelayDone(TcpRelay& relay) {
  if (ProtocolDetection* detection = relay.detection) {
    // Dialled ahead in vain. A client that speaks is told so in its own protocol.
    detection->ahead = nullptr;
    detection->JudgeAfter(kSilenceAfterFailure);
  } else {
    CountClosed();
  }
  static_cast<ListNode<TcpRelay>&>(relay).Unlink();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&relay));
}

void ActiveListener::AnnounceEnd() {
  ending_ = true;
  last_arrival_ = services_.loop.Now();
  connections_.ForEach([](DownstreamConnection& connection) { connection.AnnounceEnd(); });
}

bool ActiveListener::StopWhenQuiet(loop::Duration quiet) {
  if (listener_ != nullptr && services_.loop.Now() - last_arrival_ >= quiet) Drain();
  return listener_ == nullptr;
}

bool ActiveListener::busy() {
  bool any = !detections_.empty() || !relays_.empty();
  connections_.ForEach([&](DownstreamConnection& connection) { any |= connection.busy(); });
  return any;
}

uint64_t ActiveListener::requests() {
  uint64_t sum = 0;
  connections_.ForEach([&](DownstreamConnection& connection) { sum += connection.requests(); });
  return sum;
}

Exchange* ActiveListener::Largest(size_t& least) {
  Exchange* largest = nullptr;
  connections_.ForEach([&](DownstreamConnection& connection) {
    if (Exchange* exchange = connection.Largest(least)) largest = exchange;
  });
  return largest;
}

void ActiveListener::Drain() {
  if (services_.destinations != nullptr) services_.destinations->Forget(*this);
  listener_.reset();
  connections_.ForEach([](DownstreamConnection& connection) { connection.Retire(kRetirement); });
  relays_.ForEach([](TcpRelay& relay) { relay.Retire(kRetirement); });
}

void ActiveListener::CloseAll() {
  if (services_.destinations != nullptr) services_.destinations->Forget(*this);
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
