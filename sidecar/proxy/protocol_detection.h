#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/base/buffer.h"
#include "net/base/intrusive_list.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/tls/client_hello.h"
#include "sidecar/config/listener_spec.h"

namespace tulle::proxy {

// What the first bytes of a connection say: enough to choose its filter chain.
struct Offer {
  bool is_tls = false;
  std::string server_name;
  std::vector<std::string> application_protocols;
};

class ProtocolDetection;

class ProtocolDetectionOwner {
 public:
  virtual ~ProtocolDetectionOwner() = default;
  // Take what is in it (socket, early, offer), unlink it and hand it to DeferDelete.
  virtual void OnDetected(ProtocolDetection& detection) = 0;
  // The peer has gone, said nothing in time, or something that cannot be.
  virtual void OnDetectionFailed(ProtocolDetection& detection) = 0;
};

// Reads the beginning of an accepted connection until it is clear whether it is TLS and, if so,
// what the ClientHello offers. Application TLS must pass unterminated, and the chain is chosen
// before TLS begins: so this parses the hello itself. Owner: ActiveListener. Thread: the worker's.
class ProtocolDetection final : public loop::SocketEvents,
                                public Deletable,
                                public ListNode<ProtocolDetection> {
 public:
  ProtocolDetection(ProtocolDetectionOwner& owner, loop::Loop& loop, loop::Deadlines& deadlines,
                    std::unique_ptr<loop::Socket> socket);
  // When `timeout` is over, what was seen is all there is: judged as plaintext if
  // `judge_at_timeout`, else refused. Listener.continue_on_listener_filters_timeout.
  void Start(config::Milliseconds timeout, bool judge_at_timeout);

  std::unique_ptr<loop::Socket> socket;
  Buffer early;
  Offer offer;

 private:
  void OnSocketReady(int error, bool readable, bool writable) override;
  void Judge();
  void OnTimeout();
  void Detected();
  void Fail();

  ProtocolDetectionOwner& owner_;
  tls::ClientHelloParser hello_;
  size_t parsed_ = 0;  // of `early`
  bool judge_at_timeout_ = false;
  loop::Deadlines& deadlines_;
  loop::Deadline deadline_;
};

}  // namespace tulle::proxy
