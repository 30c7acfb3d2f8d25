#include "sidecar/proxy/tcp_relay.h"

#include <utility>

#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/failures.h"

namespace tulle::proxy {
namespace {

constexpr size_t kReadAtOnce = 64 * 1024;

const config::TcpSpec& SpecOf(const config::FilterChainSpec& chain) {
  return std::get<config::TcpSpec>(chain.proxy);
}

// False: denied; `policy` names the policy, if one matched.
bool IsAuthorized(const config::FilterChainSpec& chain, const Caller& caller,
                  std::string_view& policy) {
  for (const auto& authorization : chain.authorization) {
    const policy::Verdict verdict = authorization->Decide(caller.AsSubject(nullptr)).verdict;
    policy = verdict.policy;
    if (!verdict.allowed) return false;
  }
  return true;
}

// Whether a peer that passed `before` passes by the chain's current roots and names too; null: it
// must be looked at in any case.
bool PeerPasses(const config::FilterChainSpec& chain, const config::FilterChainSpec* before,
                const Transport& peer, tls::PeerRevalidation& revalidation) {
  if (chain.tls == nullptr) return true;
  if (before != nullptr && before->tls == chain.tls) return true;
  if (before != nullptr && before->tls != nullptr &&
      revalidation.Widens(before->tls->requirements(), chain.tls->requirements())) {
    return true;
  }
  return revalidation.Passes(peer, chain.tls->requirements());
}

}  // namespace

TcpRelay::TcpRelay(TcpRelayOwner& owner, Services& services,
                   std::shared_ptr<const config::FilterChainSpec> chain,
                   config::Direction direction, std::unique_ptr<Transport> downstream)
    : owner_(owner),
      services_(services),
      chain_(std::move(chain)),
      downstream_(*this, services.loop.slab()),
      upstream_(*this, services.loop.slab()),
      way_(services, upstream_),
      silence_deadline_(this,
                        [](void* self) {
                          auto& relay = *static_cast<TcpRelay*>(self);
                          relay.Finish(relay.joined_ ? Failure{failures::kStreamIdleTimeout}
                                                     : Failure{FailureKind::kRequestHeadersTimeout,
                                                               "handshake timeout"});
                        }),
      retire_deadline_(this, [](void* self) {
        static_cast<TcpRelay*>(self)->Finish({FailureKind::kDraining});
      }) {
  downstream_.transport = std::move(downstream);
  record_.direction = direction;
  record_.started = services_.loop.Now();
}

void TcpRelay::Start(Buffer& early) {
  upstream_.waiting.Append(early);
  record_.received += upstream_.waiting.size();
  record_.connection = ++services_.connections;
  record_.downstream = downstream_.transport->PeerAddress();
  record_.downstream_local = downstream_.transport->LocalAddress();
  downstream_.transport->SetEvents(&downstream_);
  if (chain_->handshake_timeout.count() > 0)
    services_.deadlines.Set(silence_deadline_, chain_->handshake_timeout);
}

void TcpRelay::StartAhead(const SocketAddress& peer, const SocketAddress& destination) {
  record_.downstream = peer;
  record_.downstream_local = destination;
  ahead_ = IsAuthorized(*chain_, Caller(peer, destination), record_.policy);
  if (ahead_) Connect();
}

void TcpRelay::TakeDownstream(std::unique_ptr<Transport> downstream, Buffer& early) {
  downstream_.transport = std::move(downstream);
  Start(early);
}

void TcpRelay::OnReady(RelayEnd& end) {
  end.ready = true;
  if (&end == &downstream_) {
    OnDownstreamReady();
  } else {
    record_.upstream = upstream_.transport->PeerAddress();
    record_.opened = true;
    if (!way_.Admit(*this)) return OnPeerRefused();
    if (downstream_.transport == nullptr) upstream_.transport->EnableRead(true);
  }
  if (done_ || !downstream_.ready || !upstream_.ready) return;
  services_.observer.OnRelayOpened(*this);
  joined_ = true;
  downstream_.transport->EnableRead(true);
  upstream_.transport->EnableRead(!upstream_.ended);
  OnWritable(upstream_);
  OnWritable(downstream_);
  TouchIdle();
}

void TcpRelay::OnDownstreamReady() {
  silence_deadline_.Clear();
  if (followed_) {
    tls::PeerRevalidation revalidation(services_.loop);
    if (!PeerPasses(*chain_, nullptr, *downstream_.transport, revalidation)) return OnPeerRefused();
  }
  if (ahead_ && !followed_) return;
  if (!IsAuthorized(*chain_, Caller(*downstream_.transport), record_.policy))
    return Finish({failures::kDenied});
  if (!ahead_) Connect();
}

void TcpRelay::Follow(std::shared_ptr<const config::FilterChainSpec> chain,
                      tls::PeerRevalidation& revalidation) {
  retire_deadline_.Clear();
  if (chain == chain_) return;
  const std::shared_ptr<const config::FilterChainSpec> before = std::exchange(chain_, chain);
  if (!downstream_.ready) {
    followed_ = true;
    return;
  }
  if (!PeerPasses(*chain_, before.get(), *downstream_.transport, revalidation))
    return OnPeerRefused();
  if (before->key != chain_->key &&
      !IsAuthorized(*chain_, Caller(*downstream_.transport), record_.policy)) {
    Finish({failures::kDenied});
  }
}

void TcpRelay::Retire(loop::Duration within) {
  if (!retire_deadline_.is_set()) services_.deadlines.Set(retire_deadline_, within);
}

void TcpRelay::OnPeerRefused() {
  Finish({FailureKind::kPeerRefused, "the identity of the peer is not, or no longer, allowed"});
}

void TcpRelay::Connect() {
  Failure failure = way_.Enter(SpecOf(*chain_), record_);
  if (!failure) failure = way_.Dial(SpecOf(*chain_), record_);
  if (failure) Finish(failure);
}

void TcpRelay::OnReadable(RelayEnd& end) {
  RelayEnd& other = &end == &downstream_ ? upstream_ : downstream_;
  const ReadResult result = end.transport->Read(other.waiting, kReadAtOnce);
  switch (result.status) {
    case ReadStatus::kOk:
      (&end == &downstream_ ? record_.received : record_.sent) += result.bytes;
      break;
    case ReadStatus::kWouldBlock:
      return;
    case ReadStatus::kEnd:
      end.ended = true;
      end.transport->EnableRead(false);
      break;
    case ReadStatus::kFailed:
      return OnFailed(end, end.transport->failure());
  }
  if (&end == &upstream_ && downstream_.transport == nullptr) return owner_.OnServerSpoke(*this);
  if (services_.NearlyOutOfMemory()) return Finish({FailureKind::kMemoryShort});
  if (joined_) TouchIdle();
  OnWritable(other);
}

// Writes what waits for `end`; while something stays, the other side is not read.
void TcpRelay::OnWritable(RelayEnd& end) {
  if (!end.ready || !joined_ || done_) return;
  RelayEnd& other = &end == &downstream_ ? upstream_ : downstream_;
  if (!end.waiting.empty()) end.transport->Write(end.waiting);
  const bool room = end.waiting.empty();
  if (!other.ended && other.ready) other.transport->EnableRead(room);
  if (!room || !other.ended || end.shut) return;
  end.shut = true;
  end.transport->ShutdownWrite();
  if (downstream_.shut && upstream_.shut) Finish({});
}

// A server that closes with bytes unread resets the connection, such as PostgreSQL, which does not
// read the client's TLS close_notify. After the client has ended, that is how a session ends. The
// reset is passed on all the same: a client that only half closed may still wait for bytes.
bool TcpRelay::HasClientEnded() {
  if (!joined_ || downstream_.ended) return joined_;
  const ReadResult result = downstream_.transport->Read(upstream_.waiting, kReadAtOnce);
  if (result.status == ReadStatus::kOk) record_.received += result.bytes;
  return result.status == ReadStatus::kEnd || result.status == ReadStatus::kFailed;
}

void TcpRelay::OnFailed(RelayEnd& end, Failure failure) {
  record_.reset_after_end = &end == &upstream_ && HasClientEnded();
  if (&end != &upstream_ || end.ready || !way_.MayDialAgain(SpecOf(*chain_), failure.kind))
    return Finish(failure);
  if (const Failure again = way_.Dial(SpecOf(*chain_), record_)) Finish(again);
}

void TcpRelay::TouchIdle() {
  const config::Milliseconds idle = SpecOf(*chain_).idle_timeout;
  if (idle.count() > 0) services_.deadlines.Set(silence_deadline_, idle);
}

void TcpRelay::Finish(Failure failure) {
  if (done_) return;
  record_.failure = failure;
  Close();
  if (downstream_.transport != nullptr) services_.observer.OnRelayEnd(*this);
  owner_.OnRelayDone(*this);
}

void TcpRelay::Close() {
  if (done_) return;
  done_ = true;
  record_.ended = services_.loop.Now();
  silence_deadline_.Clear();
  retire_deadline_.Clear();
  static_cast<ListNode<DirectConnection>&>(*this).Unlink();
  for (RelayEnd* end : {&downstream_, &upstream_}) {
    if (end->transport != nullptr) end->transport->Close(static_cast<bool>(record_.failure));
  }
  way_.Leave();
}

}  // namespace tulle::proxy
