#include "sidecar/proxy/active_listener.h"

#include <algorithm>

#include "sidecar/proxy/chain_match.h"
#include "sidecar/proxy/destinations.h"
#include "sidecar/proxy/downstream_limit.h"
#include "sidecar/proxy/failures.h"

namespace tulle::proxy {
namespace {

// A client that speaks first has done so by then.
constexpr config::Milliseconds kSilence{10};

// Inbound, the destination must be ours: else a caller could reach any address from inside.
// Outbound, it must not be this listener itself.
bool IsLoop(loop::Loop& loop, const loop::Socket& socket, const SocketAddress& listener,
            config::Direction direction) {
  const SocketAddress destination = socket.LocalAddress();
  const bool own = loop.IsOwnAddress(destination);
  const bool this_port = destination.port() == listener.port();
  return (own && this_port) || (!own && direction == config::Direction::kInbound);
}

// None: not worth a word, like a health check that connects and closes.
Failure WhyUndetected(const ProtocolDetection& detection) {
  switch (detection.verdict) {
    case DetectionVerdict::kMalformedTls:
      return {FailureKind::kDownstreamProtocol, "protocol_detection_failed{malformed_tls}"};
    case DetectionVerdict::kTimeout:
      return {failures::kReceiveTimeout, "protocol_detection_failed{timeout}"};
    default:
      if (detection.early.empty()) return {};
      return {FailureKind::kDownstreamClosed, "protocol_detection_failed{closed}"};
  }
}

}  // namespace

ActiveListener::ActiveListener(Services& services, std::shared_ptr<const config::ListenerSpec> spec)
    : services_(services), connections_(services) {
  Update(std::move(spec));
}

ActiveListener::~ActiveListener() { CloseAll(); }

bool ActiveListener::Listen(int* error) {
  loop::ListenOptions options;
  options.backlog = spec_->backlog;
  listener_ = services_.loop.Listen(spec_->address, options, *this, error);
  return listener_ != nullptr;
}

void ActiveListener::Update(std::shared_ptr<const config::ListenerSpec> spec) {
  spec_ = std::move(spec);
  chains_.Update(*spec_, services_.routes);
  connections_.Follow(chains_);
}

void ActiveListener::OnAccept(std::unique_ptr<loop::Socket> socket) {
  if (services_.downstream_limit != nullptr && !services_.downstream_limit->TryEnter())
    return services_.observer.OnDownstreamRefused(Refusal::kLimit);
  services_.observer.OnDownstreamAccepted();
  if (services_.ShortOfMemory()) return Refuse(std::move(socket), Refusal::kMemory);
  if (!spec_->restore_destination) return Take(std::move(socket));
  if (!socket->RestoreDestination() ||
      IsLoop(services_.loop, *socket, listener_->LocalAddress(), spec_->direction)) {
    return Refuse(std::move(socket), Refusal::kLoop);
  }
  if (!spec_->hand_off || services_.destinations == nullptr) return Take(std::move(socket));
  services_.destinations->Arrive(*this, std::move(socket));
}

void ActiveListener::Refuse(std::unique_ptr<loop::Socket> socket, Refusal why) {
  socket->ResetOnClose();
  services_.observer.OnDownstreamRefused(why);
  connections_.CountClosed();
}

void ActiveListener::Take(std::unique_ptr<loop::Socket> socket) {
  used_ = true;
  if (spec_->inspect_tls || spec_->inspect_http || NeedsOffer(*spec_))
    return Detect(std::move(socket));
  Buffer nothing(services_.loop.slab());
  const ListenerChain* chain = chains_.Find(*socket, Offer{});
  if (chain == nullptr) return CloseUnmatched(*socket, Offer{});
  connections_.Serve(*chain, spec_->direction, std::move(socket), nothing);
}

void ActiveListener::CloseUnmatched(const loop::Socket& socket, const Offer& offer) {
  const ListenerChain* tls = offer.is_tls ? nullptr : chains_.TlsChainFor(socket);
  services_.observer.OnUnmatched({socket.PeerAddress(), socket.LocalAddress(), offer.server_name,
                                  tls != nullptr, spec_->peer_authentication,
                                  tls == nullptr ? std::string_view() : tls->spec->service});
  connections_.CountClosed();
}

void ActiveListener::Detect(std::unique_ptr<loop::Socket> socket) {
  ProtocolDetection::Options options;
  options.timeout = spec_->inspection_timeout;
  options.decide_at_timeout = spec_->continue_on_inspection_timeout;
  const ListenerChain* silent = chains_.Find(*socket, Offer{});
  options.inspect_http = spec_->inspect_http && chains_.DistinguishHttp(*socket, silent);
  const bool may_race =
      silent != nullptr && silent->http == nullptr && silent->spec->tls == nullptr;
  const bool known =
      may_race && connections_.server_first().Knows(socket->LocalAddress(), services_.loop.Now());
  if (may_race && !known) options.silence = kSilence;
  auto* detection =
      new ProtocolDetection(*this, services_.loop, services_.deadlines, std::move(socket));
  connections_.Add(*detection);
  detection->Start(options);
  if (known) OnSilence(*detection);
}

// If the client turns out to speak another protocol, the server's connection is closed again
// without a byte.
void ActiveListener::OnSilence(ProtocolDetection& detection) {
  const ListenerChain* chain = chains_.Find(*detection.socket, Offer{});
  if (chain == nullptr || chain->http != nullptr || chain->spec->tls != nullptr) return;
  connections_.StartAhead(*chain, spec_->direction, detection);
}

void ActiveListener::OnDetected(ProtocolDetection& detection) {
  services_.observer.OnDetection(detection.verdict);
  const ListenerChain* chain = chains_.Find(*detection.socket, detection.offer);
  if (chain == nullptr) {
    CloseUnmatched(*detection.socket, detection.offer);
    return connections_.Remove(detection);
  }
  connections_.ServeDetected(*chain, spec_->direction, detection);
}

void ActiveListener::OnDetectionFailed(ProtocolDetection& detection) {
  services_.observer.OnDetection(detection.verdict);
  if (const Failure why = WhyUndetected(detection)) {
    services_.observer.OnUndetected(
        {detection.socket->PeerAddress(), detection.socket->LocalAddress(), {}, {}, {}, why});
  }
  connections_.CountClosed();
  connections_.Remove(detection);
}

void ActiveListener::AnnounceEnd() {
  end_announced_ = services_.loop.Now();
  connections_.AnnounceEnd();
}

bool ActiveListener::StopWhenQuiet(loop::Duration quiet) {
  if (listener_ == nullptr) return true;
  const loop::Instant last = std::max(end_announced_, connections_.last_client());
  if (services_.loop.Now() - last >= quiet) Drain();
  return listener_ == nullptr;
}

void ActiveListener::Drain() {
  if (services_.destinations != nullptr) services_.destinations->Forget(*this);
  listener_.reset();
  connections_.Retire();
}

void ActiveListener::CloseAll() {
  if (services_.destinations != nullptr) services_.destinations->Forget(*this);
  listener_.reset();
  connections_.CloseAll();
}

}  // namespace tulle::proxy
