#pragma once

#include <memory>
#include <string_view>

#include "net/base/intrusive_list.h"
#include "net/loop/deadlines.h"
#include "net/socket/transport.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/purpose.h"
#include "sidecar/proxy/relay_record.h"
#include "sidecar/proxy/relay_upstream.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/endpoint.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::proxy {

class ProtocolDetection;
class TcpRelay;

class TcpRelayOwner {
 public:
  virtual ~TcpRelayOwner() = default;
  // The relay has ended: unlink it and hand it to DeferDelete.
  virtual void OnRelayDone(TcpRelay& relay) = 0;
  // After StartAhead: the upstream has sent something. TakeDownstream, or Close, follows at once.
  virtual void OnServerSpoke(TcpRelay&) {}
};

// Bytes between a downstream connection and an endpoint of a cluster. Each direction ends by
// itself: a FIN of one side is passed on as a FIN, a broken connection as a reset. A side is read
// only while the other has taken what came before. Owner: ListenerConnections. Thread: the
// worker's.
class TcpRelay final : public Deletable,
                       public ListNode<TcpRelay>,
                       private upstream::DirectConnection,
                       private RelayEndEvents {
 public:
  TcpRelay(TcpRelayOwner& owner, Services& services,
           std::shared_ptr<const config::FilterChainSpec> chain, config::Direction direction,
           std::unique_ptr<Transport> downstream);

  // `early`: plaintext bytes read before; taken.
  void Start(Buffer& early);
  // Dials for a plaintext connection that is still being read (`downstream` was null):
  // TakeDownstream brings it, or Close ends the relay unlogged. If rules deny it, nothing is
  // dialled.
  void StartAhead(const SocketAddress& peer, const SocketAddress& destination);
  void TakeDownstream(std::unique_ptr<Transport> downstream, Buffer& early);
  // The current version of the chain, changed or not. A downstream peer that its roots, names or
  // rules no longer accept is reset, by OnRelayDone.
  void Follow(std::shared_ptr<const config::FilterChainSpec> chain,
              tls::PeerRevalidation& revalidation);
  // The chain was removed: the relay ends after that time, unless one comes back (Follow).
  void Retire(loop::Duration within);
  // Ends at once; OnRelayDone does not follow.
  void Close();

  // What it was dialled ahead for; the owner's to set and clear.
  ProtocolDetection* detection = nullptr;

  // For log and metrics.
  const RelayRecord& record() const { return record_; }
  const std::shared_ptr<const config::FilterChainSpec>& chain() const { return chain_; }
  const Transport& downstream() const { return *downstream_.transport; }
  // Null: it was not reached, or without TLS.
  const PeerIdentity* upstream_peer() const {
    return upstream_.transport == nullptr ? nullptr : upstream_.transport->peer();
  }
  TlsTerms upstream_tls() const {
    return upstream_.transport == nullptr ? TlsTerms() : upstream_.transport->tls_terms();
  }
  // Since when the configuration is in force.
  std::chrono::system_clock::time_point configured() const { return services_.configured; }
  // A TCP health check connects, and sends nothing.
  Purpose purpose() const { return record_.received > 0 ? Purpose::kClient : Purpose::kUnknown; }

 private:
  // DirectConnection
  const Transport& upstream() const override { return *upstream_.transport; }
  void OnPeerRefused() override;
  // RelayEndEvents
  void OnReady(RelayEnd& end) override;
  void OnReadable(RelayEnd& end) override;
  void OnWritable(RelayEnd& end) override;
  void OnFailed(RelayEnd& end, Failure failure) override;

  void OnDownstreamReady();
  void Connect();
  bool HasClientEnded();
  void TouchIdle();
  void Finish(Failure failure);

  TcpRelayOwner& owner_;
  Services& services_;
  std::shared_ptr<const config::FilterChainSpec> chain_;
  RelayEnd downstream_;
  RelayEnd upstream_;
  RelayUpstream way_;
  bool followed_ = false;  // the chain has changed during the handshake
  bool ahead_ = false;     // dialled before there was a downstream connection
  bool joined_ = false;    // bytes flow
  bool done_ = false;
  loop::Deadline silence_deadline_;  // of the handshake, then of both directions
  loop::Deadline retire_deadline_;
  RelayRecord record_;
};
static_assert(sizeof(TcpRelay) <= 704);  // one for each connection

}  // namespace tulle::proxy
