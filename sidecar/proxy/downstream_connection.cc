#include "sidecar/proxy/downstream_connection.h"

#include <utility>

#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/proxy/codecs.h"

namespace tulle::proxy {

DownstreamConnection::DownstreamConnection(DownstreamConnectionOwner& owner, Services& services,
                                           std::shared_ptr<HttpChain> chain,
                                           std::unique_ptr<Transport> transport)
    : owner_(owner),
      services_(services),
      chain_(std::move(chain)),
      opening_(services, *chain_, std::move(transport), *this),
      clocks_(services.deadlines, *this),
      validated_by_(chain_->owner->tls),
      arrived_(services.loop.Now()) {}

void DownstreamConnection::Start(Buffer& early) { opening_.Start(early); }

bool DownstreamConnection::OnTransportReady() {
  const Transport& transport = *opening_.transport();
  caller_.emplace(transport, ++services_.connections);
  if (validated_by_ == chain_->owner->tls) return true;
  tls::PeerRevalidation revalidation(services_.loop);
  if (revalidation.Passes(transport, validated_by_->requirements())) return true;
  ReportBroken(*caller_, {FailureKind::kPeerRefused, "the identity is no longer allowed"});
  return false;
}

void DownstreamConnection::OnVersion(upstream::HttpVersion version) {
  TakeNextChain();
  codec_ = Accept(version, services_, chain_->spec, opening_.TakeTransport(), *this);
  is_http2_ = version == upstream::HttpVersion::k2;
  if (is_http2_) clocks_.StartIdle(chain_->spec.idle_timeout);
  clocks_.StartAge(chain_->spec.max_connection_age);
  codec_->Start(opening_.early());
  if (end_announced_) codec_->AnnounceEnd();
  if (draining_) codec_->Drain();
}

void DownstreamConnection::OnTime(ConnectionClock clock) {
  if (clock == ConnectionClock::kDrain) return Drain();
  Close();
  owner_.OnDownstreamDone(*this);
}

http::StreamEvents* DownstreamConnection::OnStream(http::Stream& stream) {
  if (exchanges_.empty()) TakeNextChain();
  auto* exchange =
      new (services_.loop.slab()) Exchange(*this, services_, *chain_, *caller_, stream);
  exchanges_.PushBack(*exchange);
  clocks_.StopIdle();
  if (is_http2_) exchange->AwaitHead();
  if (++requests_ == chain_->spec.max_requests_per_connection) Drain();
  return exchange;
}

void DownstreamConnection::OnExchangeDone(Exchange& exchange) {
  const http::Head& head = *exchange.call().request.head;
  if (end_announced_ && !head.method.empty()) has_client_ |= !IsHealthCheck(head);
  static_cast<ListNode<Exchange>&>(exchange).Unlink();
  if (is_http2_ && exchanges_.empty()) clocks_.StartIdle(chain_->spec.idle_timeout);
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&exchange));
}

Purpose DownstreamConnection::purpose() {
  if (has_client_) return Purpose::kClient;
  Purpose purpose = requests_ == 0 ? Purpose::kUnknown : Purpose::kHealthCheck;
  exchanges_.ForEach([&](Exchange& exchange) {
    const http::Head* head = exchange.call().request.head;
    if (purpose == Purpose::kClient || (head != nullptr && IsHealthCheck(*head))) return;
    purpose = head == nullptr ? Purpose::kUnknown : Purpose::kClient;
  });
  return purpose;
}

void DownstreamConnection::OnConnectionClosed(Failure why) {
  clocks_.Clear();
  if (why.kind == FailureKind::kDownstreamProtocol && is_http2_) ReportBroken(*caller_, why);
  owner_.OnDownstreamDone(*this);
}

// What ends a connection before its first request is an error only if it is the TLS handshake.
void DownstreamConnection::OnOpeningFailed(Failure why) {
  clocks_.Clear();
  const bool in_handshake = chain_->owner->tls != nullptr && !caller_.has_value();
  if (why && in_handshake) ReportBroken(Caller(*opening_.transport()), why);
  owner_.OnDownstreamDone(*this);
}

void DownstreamConnection::ReportBroken(const Caller& caller, Failure why) {
  const PeerIdentity* peer = caller.identity();
  services_.observer.OnBroken({caller.peer_address(), caller.local_address(), caller.sni(),
                               peer == nullptr ? std::string_view() : peer->spiffe_id,
                               chain_->owner->service, why});
}

void DownstreamConnection::AnnounceEnd() {
  end_announced_ = true;
  if (codec_ != nullptr) codec_->AnnounceEnd();
}

void DownstreamConnection::Drain() {
  draining_ = true;
  if (codec_ != nullptr) codec_->Drain();
}

void DownstreamConnection::Retire(loop::Duration within) {
  clocks_.StartRetire(within);
  Drain();
}

void DownstreamConnection::RevalidatePeer(tls::PeerRevalidation& revalidation,
                                          std::shared_ptr<const tls::SecureAcceptor> by) {
  if (by == nullptr || by == validated_by_) return;
  const auto before = std::exchange(validated_by_, std::move(by));
  if (!caller_.has_value()) return;  // OnTransportReady will
  if (before != nullptr &&
      revalidation.Widens(before->requirements(), validated_by_->requirements()))
    return;
  const Transport& transport = codec_ != nullptr ? codec_->transport() : *opening_.transport();
  if (revalidation.Passes(transport, validated_by_->requirements())) return;
  if (codec_ != nullptr) {
    codec_->ResetUpgraded();
    return Drain();
  }
  opening_.Close();
  OnConnectionClosed({FailureKind::kPeerRefused});
}

// The streams of an HTTP/2 connection overlap: there may be no moment without one.
bool DownstreamConnection::MayFollow(const HttpChain& chain) const {
  const config::FilterChainSpec& own = *chain_->owner;
  return own.opening_key != 0 && own.opening_key == chain.owner->opening_key &&
         HaveSameTerms(chain_->spec, chain.spec) && !draining_ &&
         !(is_http2_ && !exchanges_.empty());
}

void DownstreamConnection::Follow(std::shared_ptr<HttpChain> chain) {
  exchanges_.ForEach([&](Exchange& exchange) { exchange.Reauthorize(chain->spec); });
  if (!MayFollow(*chain)) return Drain();
  next_chain_ = std::move(chain);
  // An idle connection does not keep the old one in memory.
  if (codec_ != nullptr && exchanges_.empty()) TakeNextChain();
}

void DownstreamConnection::TakeNextChain() {
  if (next_chain_ != nullptr) chain_ = std::exchange(next_chain_, nullptr);
}

Exchange* DownstreamConnection::Largest(size_t& least) {
  Exchange* largest = nullptr;
  exchanges_.ForEach([&](Exchange& exchange) {
    const size_t held = exchange.held_bytes();
    if (held <= least) return;
    least = held;
    largest = &exchange;
  });
  return largest;
}

void DownstreamConnection::Close() {
  while (!exchanges_.empty()) exchanges_.front().Abort({FailureKind::kDraining});
  clocks_.Clear();
  if (codec_ != nullptr) return codec_->Close();
  opening_.Close();
}

}  // namespace tulle::proxy
