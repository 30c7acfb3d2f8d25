#include "sidecar/proxy/tcp_relay.h"

#include <utility>

#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {
namespace {

constexpr size_t kReadAtOnce = 64 * 1024;

}  // namespace

TcpRelay::TcpRelay(TcpRelayOwner& owner, Services& services,
                   std::shared_ptr<const config::FilterChainSpec> chain,
                   config::Direction direction, std::unique_ptr<Transport> downstream)
    : owner_(owner),
      services_(services),
      chain_(std::move(chain)),
      direction_(direction),
      downstream_(*this, services.loop.slab()),
      upstream_(*this, services.loop.slab()),
      handshake_deadline_(this,
                          [](void* self) {
                            static_cast<TcpRelay*>(self)->Finish(
                                {FailureKind::kRequestHeadersTimeout, "handshake"});
                          }),
      connect_deadline_(this, [](void* self) { static_cast<TcpRelay*>(self)->OnConnectTimeout(); }),
      idle_deadline_(this,
                     [](void* self) {
                       static_cast<TcpRelay*>(self)->Finish({FailureKind::kStreamIdleTimeout});
                     }),
      retire_deadline_(this, [](void* self) {
        static_cast<TcpRelay*>(self)->Finish({FailureKind::kDraining});
      }) {
  downstream_.transport = std::move(downstream);
  record_.started = services_.loop.Now();
}

TcpRelay::~TcpRelay() = default;

void TcpRelay::Start(Buffer& early) {
  upstream_.waiting.Append(early);
  record_.received += upstream_.waiting.size();
  record_.downstream = downstream_.transport->PeerAddress();
  record_.downstream_local = downstream_.transport->LocalAddress();
  downstream_.transport->SetEvents(&downstream_);
  if (chain_->handshake_timeout.count() > 0)
    services_.deadlines.Set(handshake_deadline_, chain_->handshake_timeout);
}

void TcpRelay::StartAhead(const SocketAddress& peer, const SocketAddress& destination) {
  record_.downstream = peer;
  record_.downstream_local = destination;
  ahead_ = Authorized(Caller(peer, destination));
  if (ahead_) Connect();
}

void TcpRelay::TakeDownstream(std::unique_ptr<Transport> downstream, Buffer& early) {
  downstream_.transport = std::move(downstream);
  Start(early);
}

void TcpRelay::OnReady(End& end) {
  end.ready = true;
  if (&end == &downstream_) {
    OnDownstreamReady();
  } else if (AdmitUpstream() && downstream_.transport == nullptr) {
    upstream_.transport->EnableRead(true);
  }
  if (!done_ && downstream_.ready && upstream_.ready) Join();
}

void TcpRelay::OnDownstreamReady() {
  handshake_deadline_.Clear();
  if (followed_ && !PeerPasses()) return OnPeerRefused();
  if (ahead_ && !followed_) return;
  if (!Authorized(Caller(*downstream_.transport))) return Finish({FailureKind::kDenied});
  if (!ahead_) Connect();
}

// False: it is not who it should be, and the relay is over.
bool TcpRelay::AdmitUpstream() {
  connect_deadline_.Clear();
  record_.upstream = upstream_.transport->PeerAddress();
  record_.opened = true;
  upstream::Endpoint& endpoint = *picked_.endpoint;
  if (!endpoint.Admits(*upstream_.transport, dialled_by_.get())) {
    cluster_->Report(picked_, upstream::Outcome::kGatewayError);
    OnPeerRefused();
    return false;
  }
  cluster_->Report(picked_, upstream::Outcome::kGood);
  endpoint.direct().PushBack(*this);
  return true;
}

void TcpRelay::Join() {
  services_.observer.OnRelayOpened(*this);
  joined_ = true;
  downstream_.transport->EnableRead(true);
  upstream_.transport->EnableRead(!upstream_.ended);
  Flush(upstream_);
  Flush(downstream_);
  TouchIdle();
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
  const bool judged = chain_->tls == nullptr || before->tls == chain_->tls ||
                      (before->tls != nullptr && revalidation.Widens(before->tls->requirements(),
                                                                     chain_->tls->requirements()));
  if (!judged && !revalidation.Passes(*downstream_.transport, chain_->tls->requirements()))
    return OnPeerRefused();
  if (before->key != chain_->key && !Authorized(Caller(*downstream_.transport)))
    Finish({FailureKind::kDenied});
}

void TcpRelay::Retire(loop::Duration within) {
  if (!retire_deadline_.is_set()) services_.deadlines.Set(retire_deadline_, within);
}

bool TcpRelay::PeerPasses() const {
  if (chain_->tls == nullptr) return true;
  tls::PeerRevalidation revalidation(services_.loop);
  return revalidation.Passes(*downstream_.transport, chain_->tls->requirements());
}

void TcpRelay::OnPeerRefused() {
  Finish({FailureKind::kPeerRefused, "the peer is not, or no more, who may be here"});
}

bool TcpRelay::Authorized(const Caller& caller) {
  for (const auto& authorization : chain_->authorization) {
    if (!authorization->Decide(caller.AsSubject(nullptr)).verdict.allowed) return false;
  }
  return true;
}

void TcpRelay::Connect() {
  uint64_t total = 0;
  for (const auto& [name, weight] : spec().clusters) total += weight;
  uint64_t at = services_.loop.random().Below(total);
  for (const auto& [name, weight] : spec().clusters) {
    if (at < weight) {
      cluster_ = services_.clusters.Acquire(name);
      record_.cluster = name;
      break;
    }
    at -= weight;
  }
  if (cluster_ == nullptr) return Finish({FailureKind::kNoCluster});
  record_.service = cluster_->spec().service;
  if (!cluster_->TryEnterConnection())
    return Finish({FailureKind::kOverflow, "connections at their cap"});
  counted_ = true;
  PickAndDial();
}

void TcpRelay::PickAndDial() {
  Failure failure;
  upstream::PickCriteria criteria;
  if (spec().hash_source_ip) criteria.hash = route::HashOfIp(record_.downstream);
  picked_ = cluster_->spec().original_destination
                ? cluster_->PickAt(record_.downstream_local, &failure)
                : cluster_->Pick(criteria, &failure);
  if (picked_.endpoint == nullptr) return Finish(failure);
  const upstream::Endpoint& endpoint = *picked_.endpoint;
  ++attempts_;
  dialled_by_ = endpoint.socket().tls;
  upstream_.transport =
      upstream::Dial(services_.loop, cluster_->spec(), endpoint.spec(), endpoint.socket());
  upstream_.transport->SetEvents(&upstream_);
  services_.deadlines.Set(connect_deadline_, cluster_->spec().connect_timeout);
}

void TcpRelay::OnConnectTimeout() { OnFailed(upstream_, {FailureKind::kConnectTimeout}); }

void TcpRelay::OnReadable(End& end) {
  End& other = Other(end);
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
  Slab& slab = services_.loop.slab();
  if (slab.nearly_out() && slab.short_of_memory()) return Finish({FailureKind::kMemoryShort});
  if (joined_) TouchIdle();
  Flush(other);
}

// Writes what waits for `end`; while something stays, the other side is not read.
void TcpRelay::Flush(End& end) {
  if (!end.ready || !joined_ || done_) return;
  End& other = Other(end);
  if (!end.waiting.empty()) end.transport->Write(end.waiting);
  const bool room = end.waiting.empty();
  if (!other.ended && other.ready) other.transport->EnableRead(room);
  if (!room || !other.ended || end.shut) return;
  end.shut = true;
  end.transport->ShutdownWrite();
  if (downstream_.shut && upstream_.shut) Finish({});
}

void TcpRelay::OnFailed(End& end, Failure failure) {
  const bool not_reached = &end == &upstream_ && !end.ready;
  if (not_reached) cluster_->Report(picked_, upstream::Outcome::kGatewayError);
  if (!not_reached || attempts_ >= spec().max_connect_attempts) return Finish(failure);
  connect_deadline_.Clear();
  end.transport->Close(true);
  services_.loop.DeferDelete(std::move(end.transport));
  cluster_->Leave(picked_);
  PickAndDial();
}

void TcpRelay::TouchIdle() {
  if (spec().idle_timeout.count() > 0) services_.deadlines.Set(idle_deadline_, spec().idle_timeout);
}

void TcpRelay::CloseTransports(bool reset) {
  for (End* end : {&downstream_, &upstream_}) {
    if (end->transport != nullptr) end->transport->Close(reset);
  }
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
  for (loop::Deadline* deadline :
       {&handshake_deadline_, &connect_deadline_, &idle_deadline_, &retire_deadline_})
    deadline->Clear();
  static_cast<ListNode<DirectConnection>&>(*this).Unlink();
  CloseTransports(static_cast<bool>(record_.failure));
  if (picked_.endpoint != nullptr) cluster_->Leave(picked_);
  if (counted_) cluster_->LeaveConnection();
  if (cluster_ != nullptr) services_.clusters.Release(*std::exchange(cluster_, nullptr));
}

}  // namespace tulle::proxy
