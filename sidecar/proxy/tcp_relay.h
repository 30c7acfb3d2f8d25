#pragma once

#include <memory>
#include <string_view>

#include "net/base/intrusive_list.h"
#include "net/loop/deadlines.h"
#include "net/socket/transport.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/relay_record.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/endpoint.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::proxy {

class Caller;
class ProtocolDetection;
class TcpRelay;

class TcpRelayOwner {
 public:
  virtual ~TcpRelayOwner() = default;
  // The relay has ended: unlink it and hand it to DeferDelete.
  virtual void OnRelayDone(TcpRelay& relay) = 0;
  // After StartAhead: the upstream has said something. TakeDownstream, or Close, follows at once.
  virtual void OnServerSpoke(TcpRelay&) {}
};

// Bytes between a downstream connection and an endpoint of a cluster, both ways, each way closed
// for itself: what one side ends with FIN is ended with FIN at the other, what breaks is reset. A
// side is read only while the other has taken what came before. Owner: ActiveListener. Thread: the
// worker's.
class TcpRelay final : public Deletable,
                       public ListNode<TcpRelay>,
                       private upstream::DirectConnection {
 public:
  TcpRelay(TcpRelayOwner& owner, Services& services,
           std::shared_ptr<const config::FilterChainSpec> chain, config::Direction direction,
           std::unique_ptr<Transport> downstream);
  ~TcpRelay() override;

  // `early`: plaintext bytes read before; taken.
  void Start(Buffer& early);
  // Dials for a plaintext connection that is not here yet (`downstream` was null): TakeDownstream
  // brings it, or Close ends the relay unseen. If rules forbid it, nothing is dialled.
  void StartAhead(const SocketAddress& peer, const SocketAddress& destination);
  void TakeDownstream(std::unique_ptr<Transport> downstream, Buffer& early);
  // The chain as it is now, changed or not. A downstream peer who no longer passes by its roots,
  // names and rules is reset, by OnRelayDone.
  void Follow(std::shared_ptr<const config::FilterChainSpec> chain,
              tls::PeerRevalidation& revalidation);
  // No chain stands for this one any more: it ends after that time, unless one comes back (Follow).
  void Retire(loop::Duration within);
  // Ends at once; OnRelayDone does not follow.
  void Close();

  // What it was dialled ahead for; the owner's to set and clear.
  ProtocolDetection* detection = nullptr;

  // For log and metrics.
  const RelayRecord& record() const { return record_; }
  const std::shared_ptr<const config::FilterChainSpec>& chain() const { return chain_; }
  config::Direction direction() const { return direction_; }
  const Transport& downstream() const { return *downstream_.transport; }

 private:
  // One end; `relay` is told which.
  struct End final : TransportEvents {
    explicit End(TcpRelay& owner, Slab& slab) : relay(owner), waiting(slab) {}
    void OnTransportReady() override { relay.OnReady(*this); }
    void OnTransportReadable() override { relay.OnReadable(*this); }
    void OnTransportWritable() override { relay.Flush(*this); }
    void OnTransportFailed(Failure failure) override { relay.OnFailed(*this, failure); }

    TcpRelay& relay;
    std::unique_ptr<Transport> transport;
    Buffer waiting;  // to be written to this end
    bool ready = false;
    bool ended = false;  // its peer's FIN was read
    bool shut = false;   // our FIN was sent
  };

  // DirectConnection
  const Transport& upstream() const override { return *upstream_.transport; }
  void OnPeerRefused() override;

  void OnReady(End& end);
  void OnReadable(End& end);
  void OnFailed(End& end, Failure failure);
  void Flush(End& end);
  void TouchIdle();
  bool PeerPasses() const;
  bool Authorized(const Caller& caller);
  void OnDownstreamReady();
  bool AdmitUpstream();
  void Join();
  void Connect();
  void PickAndDial();
  void OnConnectTimeout();
  void Finish(Failure failure);
  void CloseTransports(bool reset);
  End& Other(End& end) { return &end == &downstream_ ? upstream_ : downstream_; }
  const config::TcpSpec& spec() const { return std::get<config::TcpSpec>(chain_->proxy); }

  TcpRelayOwner& owner_;
  Services& services_;
  std::shared_ptr<const config::FilterChainSpec> chain_;
  const config::Direction direction_;
  End downstream_;
  End upstream_;
  upstream::Cluster* cluster_ = nullptr;
  upstream::Cluster::Picked picked_;
  std::shared_ptr<const tls::SecureConnector> dialled_by_;
  bool followed_ = false;  // the chain has changed during the handshake
  bool ahead_ = false;     // dialled before there was a downstream connection
  bool joined_ = false;    // bytes flow
  bool counted_ = false;
  bool done_ = false;
  uint32_t attempts_ = 0;
  loop::Deadline handshake_deadline_;
  loop::Deadline connect_deadline_;
  loop::Deadline idle_deadline_;
  loop::Deadline retire_deadline_;
  RelayRecord record_;
};

}  // namespace tulle::proxy
