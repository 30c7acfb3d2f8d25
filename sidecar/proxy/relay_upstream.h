#pragma once

#include <memory>

#include "net/loop/deadlines.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/relay_end.h"
#include "sidecar/proxy/relay_record.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

// The way of a relay to its upstream: the cluster, its connection limit, an endpoint, and attempts
// to connect to it. What the cluster must learn of them it is told here.
//
//   Enter Dial (MayDialAgain Dial)* Admit? Leave
//
// Owner: TcpRelay. Thread: the worker's.
class RelayUpstream {
 public:
  // A connect timeout is reported as a failure of `end`.
  RelayUpstream(Services& services, RelayEnd& end);

  // One of the clusters by weight, and its connection limit.
  Failure Enter(const config::TcpSpec& spec, RelayRecord& record);
  // An endpoint, and a connection to it.
  Failure Dial(const config::TcpSpec& spec, const RelayRecord& record);
  // The connection could not be made. True: another attempt is allowed, and the transport is gone.
  bool MayDialAgain(const config::TcpSpec& spec, FailureKind why);
  // It is made. False: its peer is not the one expected. True: `relay` is told of later changes.
  bool Admit(upstream::DirectConnection& relay);
  void Leave();

 private:
  Services& services_;
  RelayEnd& end_;
  upstream::Cluster* cluster_ = nullptr;
  upstream::Cluster::Picked picked_;
  std::shared_ptr<const tls::SecureConnector> dialled_by_;
  uint32_t attempts_ = 0;
  bool counted_ = false;
  loop::Deadline connect_deadline_;
};

}  // namespace tulle::proxy
