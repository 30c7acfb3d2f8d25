#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/protocol_detection.h"
#include "sidecar/proxy/server_first.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/tcp_relay.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::proxy {

// One listener on one worker: accepts, finds the filter chain, and owns the connections. A new
// version of the same address keeps the socket; only connections of chains that changed drain, and
// those end whose peer passes no more by changed roots or names.
// Owner: Worker. Thread: the worker's.
class ActiveListener final : public loop::ListenerEvents,
                             public ProtocolDetectionOwner,
                             public DownstreamConnectionOwner,
                             public TcpRelayOwner,
                             public Deletable {
 public:
  ActiveListener(Services& services, std::shared_ptr<const config::ListenerSpec> spec);
  ~ActiveListener() override;

  // False, with *error (negative errno): the address cannot be had. Not for those that do not bind.
  bool Listen(int* error);
  void Update(std::shared_ptr<const config::ListenerSpec> spec);
  // The process is about to end: every peer is told to go elsewhere, also those that still come.
  void AnnounceEnd();
  // Stops accepting when nobody has come for that long. True: it has.
  bool StopWhenQuiet(loop::Duration quiet);
  // Stops accepting; connections end when their requests do, and all after ten minutes.
  void Drain();
  // Whether bytes or requests are under way, and how many requests there have been.
  bool busy();
  uint64_t requests();
  // The exchange that holds most, if it holds more than `least`, which becomes that; else null.
  Exchange* Largest(size_t& least);
  void CloseAll();
  bool idle() { return detections_.empty() && connections_.empty() && relays_.empty(); }
  const config::ListenerSpec& spec() const { return *spec_; }
  SocketAddress local_address() const {
    return listener_ == nullptr ? SocketAddress() : listener_->LocalAddress();
  }

  // An accepted connection, also from another listener, finds its chain here.
  void Take(std::unique_ptr<loop::Socket> socket);
  void Refuse(std::unique_ptr<loop::Socket> socket, Refusal why);
  // Whether connections have come since this was asked last.
  bool TakeUsed() { return std::exchange(used_, false) || !idle(); }

  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  void OnDetected(ProtocolDetection& detection) override;
  void OnDetectionFailed(ProtocolDetection& detection) override;
  void OnSilence(ProtocolDetection& detection) override;
  void OnDownstreamDone(DownstreamConnection& connection) override;
  void OnRelayDone(TcpRelay& relay) override;
  void OnServerSpoke(TcpRelay& relay) override;

 private:
  // A chain with what this worker made of it.
  struct Chain {
    std::shared_ptr<const config::FilterChainSpec> spec;
    std::shared_ptr<HttpChain> http;  // null for TCP
  };
  Chain MakeChain(const std::shared_ptr<const config::FilterChainSpec>& spec);
  const Chain* FindChain(const loop::Socket& socket, const Offer& offer) const;
  bool IsLoop(const loop::Socket& socket) const;
  bool HttpMakesADifference(const loop::Socket& socket, const Chain* bytes) const;
  void Detect(std::unique_ptr<loop::Socket> socket);
  void Close(ProtocolDetection& detection);
  void Drop(TcpRelay& relay);
  void CountClosed();
  const Chain* Successor(const config::FilterChainSpec& spec) const;
  const Chain* Namesake(const config::FilterChainSpec& spec) const;
  void FollowChains();
  void FollowChain(TcpRelay& relay, tls::PeerRevalidation& revalidation);
  void Serve(const Chain& chain, std::unique_ptr<loop::Socket> socket, Buffer& early);

  Services& services_;
  std::shared_ptr<const config::ListenerSpec> spec_;
  std::vector<Chain> chains_;
  Chain default_chain_;
  std::unique_ptr<loop::Listener> listener_;
  IntrusiveList<ProtocolDetection> detections_;
  IntrusiveList<DownstreamConnection> connections_;
  IntrusiveList<TcpRelay> relays_;
  ServerFirst server_first_;
  bool used_ = false;
  bool ending_ = false;
  loop::Instant last_arrival_{};
};

}  // namespace tulle::proxy
