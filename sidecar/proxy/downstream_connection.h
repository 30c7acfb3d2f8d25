#pragma once

#include <memory>
#include <optional>

#include "net/base/intrusive_list.h"
#include "net/http/connection.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/connection_clocks.h"
#include "sidecar/proxy/connection_opening.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/purpose.h"
#include "sidecar/proxy/services.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::proxy {

class DownstreamConnection;

class DownstreamConnectionOwner {
 public:
  virtual ~DownstreamConnectionOwner() = default;
  // The connection has ended: unlink it and hand it to DeferDelete.
  virtual void OnDownstreamDone(DownstreamConnection& connection) = 0;
};

// One HTTP connection of a downstream peer: once it is open, its codec and its exchanges.
// Owner: ListenerConnections. Thread: the worker's.
class DownstreamConnection final : public http::ServerConnectionEvents,
                                   public ExchangeOwner,
                                   public Deletable,
                                   public ListNode<DownstreamConnection>,
                                   private ConnectionOpeningEvents,
                                   private ConnectionClockEvents {
 public:
  DownstreamConnection(DownstreamConnectionOwner& owner, Services& services,
                       std::shared_ptr<HttpChain> chain, std::unique_ptr<Transport> transport);

  // `early`: plaintext bytes that were read before; taken.
  void Start(Buffer& early);
  // The peer is told to go elsewhere; nothing is refused yet.
  void AnnounceEnd();
  // No new requests; ends when the last one has.
  void Drain();
  // The same, and what is left after that time is closed: no current rule applies to it.
  void Retire(loop::Duration within);
  bool busy() const { return !exchanges_.empty(); }
  uint32_t requests() const { return requests_; }
  loop::Instant arrived() const { return arrived_; }
  // Of those that came after AnnounceEnd.
  Purpose purpose();
  // Roots or allowed names have changed: a peer that does not pass `by` is served no further
  // request. Requests that it has sent are answered; an idle connection closes, an upgraded one is
  // reset.
  void RevalidatePeer(tls::PeerRevalidation& revalidation,
                      std::shared_ptr<const tls::SecureAcceptor> by);
  // The rules have changed: further requests get those of `chain`, and an upgraded stream that they
  // deny is reset. If the connection cannot go on with them, it drains.
  void Follow(std::shared_ptr<HttpChain> chain);
  // The exchange that holds most, if it holds more than `least`, which becomes that; else null.
  Exchange* Largest(size_t& least);
  // Ends everything at once; OnDownstreamDone does not follow.
  void Close();
  // For further requests.
  const HttpChain& chain() const { return next_chain_ == nullptr ? *chain_ : *next_chain_; }

  // ServerConnectionEvents
  http::StreamEvents* OnStream(http::Stream& stream) override;
  void OnConnectionClosed(Failure why) override;
  // ExchangeOwner
  void OnExchangeDone(Exchange& exchange) override;

 private:
  bool OnTransportReady() override;
  void OnVersion(upstream::HttpVersion version) override;
  void OnOpeningFailed(Failure why) override;
  void OnTime(ConnectionClock clock) override;
  bool MayFollow(const HttpChain& chain) const;
  void TakeNextChain();
  void ReportBroken(const Caller& caller, Failure why);

  DownstreamConnectionOwner& owner_;
  Services& services_;
  std::shared_ptr<HttpChain> chain_;
  // When nothing uses chain_ any more; null: the same.
  std::shared_ptr<HttpChain> next_chain_;
  ConnectionOpening opening_;
  ConnectionClocks clocks_;
  std::unique_ptr<http::ServerConnection> codec_;  // null while it is opening
  IntrusiveList<Exchange> exchanges_;
  std::optional<Caller> caller_;  // from the end of the handshake on
  // Its terms are those that the peer passed, or during the handshake must pass.
  std::shared_ptr<const tls::SecureAcceptor> validated_by_;
  const loop::Instant arrived_;
  uint32_t requests_ = 0;
  bool end_announced_ = false;
  bool has_client_ = false;  // since then
  bool draining_ = false;
  bool is_http2_ = false;
};
static_assert(sizeof(DownstreamConnection) <= 720);  // one for each connection

}  // namespace tulle::proxy
