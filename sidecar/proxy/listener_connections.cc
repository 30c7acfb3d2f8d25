#include "sidecar/proxy/listener_connections.h"

#include <algorithm>
#include <utility>

#include "net/socket/transports.h"
#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/proxy/downstream_limit.h"

namespace tulle::proxy {
namespace {

// A client that is silent after its server could not be reached gets this long to say what it
// speaks.
constexpr config::Milliseconds kSilenceAfterFailure{1000};
// What is left of a removed listener or chain ends by then. Source: Envoy's --drain-time-s.
constexpr config::Milliseconds kRetirement{600'000};

template <typename Connection>
void Release(Services& services, Connection& connection) {
  static_cast<ListNode<Connection>&>(connection).Unlink();
  services.loop.DeferDelete(std::unique_ptr<Deletable>(&connection));
}

}  // namespace

void ListenerConnections::CountClosed() {
  services_.observer.OnDownstreamClosed();
  if (services_.downstream_limit != nullptr) services_.downstream_limit->Leave();
}

// It never got its downstream connection.
void ListenerConnections::DropAhead(ProtocolDetection& detection) {
  TcpRelay* ahead = std::exchange(detection.ahead, nullptr);
  if (ahead == nullptr) return;
  ahead->Close();
  Release(services_, *ahead);
}

void ListenerConnections::Remove(ProtocolDetection& detection) {
  DropAhead(detection);
  Release(services_, detection);
}

void ListenerConnections::StartAhead(const ListenerChain& chain, config::Direction direction,
                                     ProtocolDetection& detection) {
  auto* relay = new TcpRelay(*this, services_, chain.spec, direction, nullptr);
  relays_.PushBack(*relay);
  detection.ahead = relay;
  relay->detection = &detection;
  relay->StartAhead(detection.socket->PeerAddress(), detection.socket->LocalAddress());
}

void ListenerConnections::Serve(const ListenerChain& chain, config::Direction direction,
                                std::unique_ptr<loop::Socket> socket, Buffer& early) {
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
  auto* relay = new TcpRelay(*this, services_, chain.spec, direction, std::move(transport));
  relays_.PushBack(*relay);
  relay->Start(early);
}

void ListenerConnections::ServeDetected(const ListenerChain& chain, config::Direction direction,
                                        ProtocolDetection& detection) {
  TcpRelay* ahead = detection.ahead;
  if (ahead != nullptr && ahead->chain() == chain.spec) {
    detection.ahead = nullptr;
    ahead->detection = nullptr;
    ahead->TakeDownstream(PlainAcceptor().Accept(services_.loop, std::move(detection.socket)),
                          detection.early);
  } else {
    DropAhead(detection);  // before both take a place in the connection limits
    Serve(chain, direction, std::move(detection.socket), detection.early);
  }
  Remove(detection);
}

// One that ends without having sent anything was a TCP health check.
void ListenerConnections::NoteEnd(Purpose purpose, loop::Instant arrived) {
  if (purpose == Purpose::kClient) last_client_ = std::max(last_client_, arrived);
}

void ListenerConnections::OnDownstreamDone(DownstreamConnection& connection) {
  CountClosed();
  NoteEnd(connection.purpose(), connection.arrived());
  Release(services_, connection);
}

void ListenerConnections::OnRelayDone(TcpRelay& relay) {
  if (ProtocolDetection* detection = relay.detection) {
    // Dialled ahead in vain. A client that speaks is told so in its own protocol.
    detection->ahead = nullptr;
    detection->DecideAfter(kSilenceAfterFailure);
  } else {
    CountClosed();
    NoteEnd(relay.purpose(), relay.record().started);
  }
  Release(services_, relay);
}

void ListenerConnections::OnServerSpoke(TcpRelay& relay) {
  ProtocolDetection& detection = *relay.detection;
  server_first_.Remember(detection.socket->LocalAddress(), services_.loop.Now());
  detection.ServerSpoke();
}

void ListenerConnections::Follow(const ListenerChains& chains) {
  tls::PeerRevalidation revalidation(services_.loop);
  connections_.ForEach([&](DownstreamConnection& connection) {
    const config::FilterChainSpec& own = *connection.chain().owner;
    const ListenerChain* chain = chains.Successor(own);
    if (chain == nullptr) {
      chain = chains.Namesake(own);
      if (chain == nullptr || chain->http == nullptr) return connection.Retire(kRetirement);
      connection.Follow(chain->http);
    }
    connection.RevalidatePeer(revalidation, chain->spec->tls);
  });
  relays_.ForEach([&](TcpRelay& relay) {
    const config::FilterChainSpec& own = *relay.chain();
    const ListenerChain* chain = chains.Successor(own);
    if (chain == nullptr) chain = chains.Namesake(own);
    if (chain == nullptr || chain->http != nullptr) return relay.Retire(kRetirement);
    relay.Follow(chain->spec, revalidation);
  });
}

void ListenerConnections::AnnounceEnd() {
  ending_ = true;
  connections_.ForEach([](DownstreamConnection& connection) { connection.AnnounceEnd(); });
}

loop::Instant ListenerConnections::last_client() {
  loop::Instant last = last_client_;
  const auto note = [&last](Purpose purpose, loop::Instant arrived) {
    if (purpose != Purpose::kHealthCheck) last = std::max(last, arrived);
  };
  detections_.ForEach([&](auto& one) { note(Purpose::kUnknown, one.arrived); });
  connections_.ForEach([&](auto& one) { note(one.purpose(), one.arrived()); });
  relays_.ForEach([&](auto& one) { note(one.purpose(), one.record().started); });
  return last;
}

void ListenerConnections::Retire() {
  connections_.ForEach([](DownstreamConnection& connection) { connection.Retire(kRetirement); });
  relays_.ForEach([](TcpRelay& relay) { relay.Retire(kRetirement); });
}

void ListenerConnections::CloseAll() {
  while (!detections_.empty()) {
    CountClosed();
    Remove(detections_.front());
  }
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

bool ListenerConnections::busy() {
  bool any = !detections_.empty() || !relays_.empty();
  connections_.ForEach([&](DownstreamConnection& connection) { any |= connection.busy(); });
  return any;
}

uint64_t ListenerConnections::requests() {
  uint64_t sum = 0;
  connections_.ForEach([&](DownstreamConnection& connection) { sum += connection.requests(); });
  return sum;
}

Exchange* ListenerConnections::Largest(size_t& least) {
  Exchange* largest = nullptr;
  connections_.ForEach([&](DownstreamConnection& connection) {
    if (Exchange* exchange = connection.Largest(least)) largest = exchange;
  });
  return largest;
}

}  // namespace tulle::proxy
