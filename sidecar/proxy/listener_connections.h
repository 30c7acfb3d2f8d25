#pragma once

#include <memory>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/listener_chains.h"
#include "sidecar/proxy/protocol_detection.h"
#include "sidecar/proxy/purpose.h"
#include "sidecar/proxy/server_first.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/tcp_relay.h"

namespace tulle::proxy {

// The connections of one listener on one worker, from their acceptance to their end, each once in
// one of three lists: its chain is being found out, HTTP, bytes. Owner: ActiveListener. Thread: the
// worker's.
class ListenerConnections final : public DownstreamConnectionOwner, public TcpRelayOwner {
 public:
  explicit ListenerConnections(Services& services) : services_(services) {}

  // The chain is not known yet; Remove ends that, and drops what was dialled ahead.
  void Add(ProtocolDetection& detection) { detections_.PushBack(detection); }
  void Remove(ProtocolDetection& detection);
  // The server may be who speaks first: dials it for a client that is silent.
  void StartAhead(const ListenerChain& chain, config::Direction direction,
                  ProtocolDetection& detection);
  // Its chain is known.
  void Serve(const ListenerChain& chain, config::Direction direction,
             std::unique_ptr<loop::Socket> socket, Buffer& early);
  void ServeDetected(const ListenerChain& chain, config::Direction direction,
                     ProtocolDetection& detection);
  // An accepted connection ends without having been served.
  void CountClosed();

  // The chains have changed. Connections follow the chain of the same name if what they agreed on
  // when they opened is the same; others answer what they have and close. Upgraded ones and relays,
  // which cannot drain, stay as long as their peer is accepted.
  void Follow(const ListenerChains& chains);
  // All later ones too: the peer is told to go elsewhere.
  void AnnounceEnd();
  // When the last one came after that which is not a health check, or may still turn out not to be.
  loop::Instant last_client();
  // They end when their requests do, and all after ten minutes.
  void Retire();
  // At once.
  void CloseAll();

  bool idle() { return detections_.empty() && connections_.empty() && relays_.empty(); }
  // Whether bytes or requests are under way, and how many requests there have been.
  bool busy();
  uint64_t requests();
  // The exchange that holds most, if it holds more than `least`, which becomes that; else null.
  Exchange* Largest(size_t& least);
  ServerFirst& server_first() { return server_first_; }

 private:
  void DropAhead(ProtocolDetection& detection);
  void NoteEnd(Purpose purpose, loop::Instant arrived);
  void OnDownstreamDone(DownstreamConnection& connection) override;
  void OnRelayDone(TcpRelay& relay) override;
  void OnServerSpoke(TcpRelay& relay) override;

  Services& services_;
  IntrusiveList<ProtocolDetection> detections_;
  IntrusiveList<DownstreamConnection> connections_;
  IntrusiveList<TcpRelay> relays_;
  ServerFirst server_first_;
  bool ending_ = false;
  loop::Instant last_client_{};  // of those that have ended
};

}  // namespace tulle::proxy
