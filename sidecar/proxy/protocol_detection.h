#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/buffer.h"
#include "net/base/intrusive_list.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/tls/client_hello.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/detection_verdict.h"

namespace tulle::proxy {

// What the first bytes of a connection say: enough to choose its filter chain.
struct Offer {
  bool is_tls = false;
  std::string server_name;
  // By ALPN, or what plaintext HTTP is called in FilterChainMatch.
  std::vector<std::string> application_protocols;
};

class ProtocolDetection;
class TcpRelay;

class ProtocolDetectionOwner {
 public:
  virtual ~ProtocolDetectionOwner() = default;
  // Take what is in it (socket, early, offer), unlink it and hand it to DeferDelete.
  virtual void OnDetected(ProtocolDetection& detection) = 0;
  // The peer closed the connection, sent nothing in time, or sent something invalid.
  virtual void OnDetectionFailed(ProtocolDetection& detection) = 0;
  // The peer has sent nothing yet: it may wait for the server to speak first.
  virtual void OnSilence(ProtocolDetection&) {}
};

// Reads the beginning of an accepted connection until it is clear whether it is TLS and, if so,
// what the ClientHello offers, or else whether it is HTTP. Application TLS must pass unterminated,
// and the chain is chosen before TLS begins: so this parses the hello itself.
// Owner: ListenerConnections. Thread: the worker's.
class ProtocolDetection final : public loop::SocketEvents,
                                public Deletable,
                                public ListNode<ProtocolDetection> {
 public:
  struct Options {
    // Afterwards the chain is chosen by what was seen, as for plaintext, if `decide_at_timeout`;
    // else the connection is refused. Listener.listener_filters_timeout,
    // continue_on_listener_filters_timeout.
    config::Milliseconds timeout{0};
    bool decide_at_timeout = false;
    bool inspect_http = false;
    // After this long without a byte: OnSilence, once. 0: never.
    config::Milliseconds silence{0};
  };

  ProtocolDetection(ProtocolDetectionOwner& owner, loop::Loop& loop, loop::Deadlines& deadlines,
                    std::unique_ptr<loop::Socket> socket);
  void Start(const Options& options);
  // What was seen by then decides.
  void DecideAfter(config::Milliseconds time);
  // The server spoke first: neither TLS nor HTTP. OnDetected follows at once.
  void ServerSpoke() { Detected(DetectionVerdict::kServerFirst); }

  std::unique_ptr<loop::Socket> socket;
  Buffer early;
  Offer offer;
  // Valid in OnDetected and OnDetectionFailed.
  DetectionVerdict verdict = DetectionVerdict::kTimeout;
  // Dialled ahead while the peer is silent; the owner's to set and clear.
  TcpRelay* ahead = nullptr;
  const loop::Instant arrived;

 private:
  void OnSocketReady(int error, bool readable, bool writable) override;
  void Decide();
  std::optional<DetectionVerdict> DecideHttp();
  void OnTimeout();
  void Detected(DetectionVerdict as);
  void Fail(DetectionVerdict why);
  void Rest();

  ProtocolDetectionOwner& owner_;
  tls::ClientHelloParser hello_;
  size_t parsed_ = 0;  // of `early`
  bool not_tls_ = false;
  bool decide_at_timeout_ = false;
  bool inspect_http_ = false;
  loop::Deadlines& deadlines_;
  loop::Deadline deadline_;
  loop::Deadline silence_;
};

}  // namespace tulle::proxy
