#pragma once

#include <memory>

#include "net/base/buffer.h"
#include "net/socket/transport.h"

namespace tulle::proxy {

struct RelayEnd;

class RelayEndEvents {
 public:
  virtual void OnReady(RelayEnd& end) = 0;
  virtual void OnReadable(RelayEnd& end) = 0;
  virtual void OnWritable(RelayEnd& end) = 0;
  virtual void OnFailed(RelayEnd& end, Failure failure) = 0;

 protected:
  ~RelayEndEvents() = default;
};

// One end of a relayed connection. Owner: TcpRelay. Thread: the worker's.
struct RelayEnd final : TransportEvents {
  RelayEnd(RelayEndEvents& events, Slab& slab) : owner(events), waiting(slab) {}
  void OnTransportReady() override { owner.OnReady(*this); }
  void OnTransportReadable() override { owner.OnReadable(*this); }
  void OnTransportWritable() override { owner.OnWritable(*this); }
  void OnTransportFailed(Failure failure) override { owner.OnFailed(*this, failure); }

  RelayEndEvents& owner;
  std::unique_ptr<Transport> transport;
  Buffer waiting;  // to be written to this end
  bool ready = false;
  bool ended = false;  // its peer's FIN was read
  bool shut = false;   // our FIN was sent
};

}  // namespace tulle::proxy
