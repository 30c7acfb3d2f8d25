#pragma once

#include <memory>
#include <utility>

#include "net/base/buffer.h"
#include "net/loop/deadlines.h"
#include "net/socket/transport.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/connection_pool.h"

namespace tulle::proxy {

class ConnectionOpeningEvents {
 public:
  // The handshake is over. False: the peer is not accepted.
  virtual bool OnTransportReady() = 0;
  // The peer's HTTP version is known: TakeTransport follows.
  virtual void OnVersion(upstream::HttpVersion version) = 0;
  // `why`: of the transport, if its handshake was not over; kNone: nothing is wrong. The transport
  // is still there.
  virtual void OnOpeningFailed(Failure why) = 0;

 protected:
  ~ConnectionOpeningEvents() = default;
};

// The beginning of a downstream connection: waits for the transport (TLS), then for as many bytes
// as tell the HTTP version. Owner: DownstreamConnection. Thread: the worker's.
class ConnectionOpening final : private TransportEvents {
 public:
  ConnectionOpening(Services& services, const HttpChain& chain,
                    std::unique_ptr<Transport> transport, ConnectionOpeningEvents& events);

  // `early`: plaintext bytes that were read before; taken.
  void Start(Buffer& early);
  // Ends the waiting; what has been read is in early().
  std::unique_ptr<Transport> TakeTransport();
  Buffer& early() { return early_; }
  // Null after TakeTransport.
  Transport* transport() const { return transport_.get(); }
  void Close();

 private:
  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override {}
  void OnTransportFailed(Failure why) override { Fail(why); }

  void ChooseVersion();
  void Fail(Failure why);

  Services& services_;
  const HttpChain& chain_;
  ConnectionOpeningEvents& events_;
  std::unique_ptr<Transport> transport_;
  Buffer early_;
  loop::Deadline deadline_;  // of the handshake
};

}  // namespace tulle::proxy
