#pragma once

#include <memory>
#include <utility>

#include "net/loop/loop.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/listener_chains.h"
#include "sidecar/proxy/listener_connections.h"
#include "sidecar/proxy/protocol_detection.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

// One listener on one worker: accepts, finds the filter chain, and owns the connections. A new
// version of the same address keeps the socket and the connections, whose further requests get the
// new rules; only those drain that were opened on other terms, and those end whose peer is not
// accepted by changed roots or names.
// Owner: Worker. Thread: the worker's.
class ActiveListener final : public loop::ListenerEvents,
                             public ProtocolDetectionOwner,
                             public Deletable {
 public:
  ActiveListener(Services& services, std::shared_ptr<const config::ListenerSpec> spec);
  ~ActiveListener() override;

  // False, with *error (negative errno): the address cannot be bound. Not for those that do not
  // bind.
  bool Listen(int* error);
  void Update(std::shared_ptr<const config::ListenerSpec> spec);
  // The process is about to end: every peer is told to go elsewhere, also those that still come.
  void AnnounceEnd();
  // Stops accepting when no connection has come for that long, health checks aside. True: it has.
  bool StopWhenQuiet(loop::Duration quiet);
  // Stops accepting; connections end when their requests do, and all after ten minutes.
  void Drain();
  void CloseAll();
  ListenerConnections& connections() { return connections_; }
  const config::ListenerSpec& spec() const { return *spec_; }
  SocketAddress local_address() const {
    return listener_ == nullptr ? SocketAddress() : listener_->LocalAddress();
  }

  // An accepted connection, also from another listener, finds its chain here.
  void Take(std::unique_ptr<loop::Socket> socket);
  void Refuse(std::unique_ptr<loop::Socket> socket, Refusal why);
  // Whether connections have come since this was asked last.
  bool TakeUsed() { return std::exchange(used_, false) || !connections_.idle(); }

  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  void OnDetected(ProtocolDetection& detection) override;
  void OnDetectionFailed(ProtocolDetection& detection) override;
  void OnSilence(ProtocolDetection& detection) override;

 private:
  void CloseUnmatched(const loop::Socket& socket, const Offer& offer);
  void Detect(std::unique_ptr<loop::Socket> socket);

  Services& services_;
  std::shared_ptr<const config::ListenerSpec> spec_;
  ListenerChains chains_;
  ListenerConnections connections_;
  std::unique_ptr<loop::Listener> listener_;
  bool used_ = false;
  loop::Instant end_announced_{};
};

}  // namespace tulle::proxy
