#pragma once

#include <cstdint>

#include "net/base/intrusive_list.h"
#include "sidecar/upstream/dial.h"
#include "sidecar/upstream/endpoint_peer.h"
#include "sidecar/upstream/pool_resources.h"
#include "sidecar/upstream/pooled_connection.h"
#include "sidecar/upstream/stream_queue.h"

namespace tulle::upstream {

// What a pool reports to its cluster.
class PoolEvents {
 public:
  // A connection has ended, or has become idle while another pool was refused one: pools whose
  // requests wait may try again.
  virtual void OnConnectionsFreed() = 0;

 protected:
  ~PoolEvents() = default;
};

// Connections of one worker to one endpoint in one protocol version. Owner: Endpoint. Thread: the
// worker's.
class ConnectionPool final : private PooledConnectionEvents {
 public:
  ConnectionPool(PoolResources& resources, PoolEvents& cluster, const EndpointPeer& peer,
                 HttpVersion version)
      : resources_(resources),
        cluster_(cluster),
        peer_(peer),
        version_(version),
        queue_(resources) {}
  ~ConnectionPool();

  // `fresh`: do not use an idle connection, because one of them has just turned out to be closed.
  Acquired Acquire(StreamWaiter& waiter, bool fresh);
  // Closes idle connections, and the others when their streams end. Waiting requests are still
  // served.
  void Drain();
  // Closes connections whose peer is no longer accepted: idle ones now, others after their last
  // stream.
  void RevalidatePeers(tls::PeerRevalidation& revalidation);
  // Whether nothing is open or waiting.
  bool empty() const { return idle_.empty() && busy_.empty() && queue_.empty(); }
  // Opens connections for waiting requests, as far as the limits allow. Called by the cluster when
  // a limit has room again.
  void ServeWaiters();

 private:
  bool Admits(PooledConnection& connection, const tls::SecureConnector* dialled_by) override;
  void OnConnected(PooledConnection& connection) override;
  void OnRoom(PooledConnection& connection) override;
  void OnClosed(PooledConnection& connection, Failure why) override;

  Acquired OpenOn(PooledConnection& connection, http::StreamEvents& events);
  void CloseSpent();
  PooledConnection* FindRoom(bool fresh);
  // False: a limit is reached.
  bool Connect();
  void OnServed();
  uint32_t streams_per_connection() const;

  PoolResources& resources_;
  PoolEvents& cluster_;
  const EndpointPeer& peer_;
  const HttpVersion version_;
  IntrusiveList<PooledConnection> idle_;  // most recently used first
  IntrusiveList<PooledConnection> busy_;  // with at least one stream, or connecting
  StreamQueue queue_;
  bool draining_ = false;
};

}  // namespace tulle::upstream
