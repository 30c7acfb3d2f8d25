#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/base/intrusive_list.h"
#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/dial.h"

namespace tulle::tls {
class PeerRevalidation;
}

namespace tulle::upstream {

class Cluster;
class ConnectionPool;
class Endpoint;

// A request that waits for a stream, for at most connect_timeout while no connection is being
// established. Destroying it withdraws it.
class StreamWaiter : public ListNode<StreamWaiter> {
 public:
  StreamWaiter()
      : wait_(this, [](void* self) { static_cast<StreamWaiter*>(self)->OnWaitTimeout(); }) {}
  virtual ~StreamWaiter() { Withdraw(); }
  // No OnStream or OnNoStream follows.
  void Withdraw();
  virtual http::StreamEvents& events() = 0;
  // Exactly one of these is called, once, unless withdrawn. `reused`: the connection has carried a
  // request before.
  virtual void OnStream(http::Stream& stream, Transport& transport, bool reused) = 0;
  virtual void OnNoStream(Failure failure) = 0;
  bool waiting() const { return pool_ != nullptr; }
  // Whether a connection to the endpoint is being established; otherwise our own limits delay the
  // request.
  bool connection_under_way() const;

 private:
  friend class ConnectionPool;
  void OnWaitTimeout();

  loop::Deadline wait_;
  ConnectionPool* pool_ = nullptr;  // while queued
  bool fresh_ = false;              // as passed to Acquire
};

// The immediate result of Acquire: a stream, a failure, or neither: the waiter is queued.
struct Acquired {
  http::Stream* stream = nullptr;
  Transport* transport = nullptr;
  bool reused = false;
  Failure failure;
};

// One upstream connection as the pool sees it. Owner: its pool.
class PooledConnection final
    : public http::ClientConnectionEvents,
      public Deletable,
      public ListNode<PooledConnection>,            // in its pool: idle or busy
      public ListNode<PooledConnection, Cluster> {  // idle, over the whole cluster, oldest first
 public:
  explicit PooledConnection(ConnectionPool& pool) : pool_(pool) {}
  ~PooledConnection() override;
  void Start();
  void OnConnectionReady() override;
  void OnStreamRoom() override;
  void OnConnectionClosed(Failure why) override;

  bool connecting() const { return connecting_; }
  http::ClientConnection* codec() { return codec_.get(); }
  loop::Instant idle_since() const { return idle_since_; }

 private:
  friend class ConnectionPool;
  ConnectionPool& pool_;
  std::unique_ptr<http::ClientConnection> codec_;
  std::unique_ptr<loop::Timer> connect_timer_;
  std::shared_ptr<const tls::SecureConnector> dialled_by_;  // until ready
  loop::Instant idle_since_{};
  loop::Instant ready_since_{};
  uint32_t streams_opened_ = 0;
  bool connecting_ = true;
  bool counted_ = false;
};

// Connections of one worker to one endpoint in one protocol version. Owner: Endpoint. Thread: the
// worker's.
class ConnectionPool {
 public:
  ConnectionPool(Cluster& cluster, Endpoint& endpoint, HttpVersion version);
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
  bool empty() const { return connections_ == 0 && waiters_ == 0; }
  // Opens connections for waiting requests, as far as the limits allow. Called by the cluster when
  // a limit has room again.
  void ServeWaiters();

  Cluster& cluster() { return cluster_; }
  Endpoint& endpoint() { return endpoint_; }
  HttpVersion version() const { return version_; }

 private:
  friend class PooledConnection;
  friend class StreamWaiter;
  Acquired OpenOn(PooledConnection& connection, http::StreamEvents& events);
  bool IsSpent(const PooledConnection& connection) const;
  void CloseSpent();
  PooledConnection* FindRoom(bool fresh);
  // False: a limit is reached.
  bool Connect();
  void Queue(StreamWaiter& waiter);
  StreamWaiter& Unqueue();
  void LeaveQueue(StreamWaiter& waiter);
  void OnWaitTimeout(StreamWaiter& waiter);
  void FailExcessWaiters(Failure why);
  void OnConnected(PooledConnection& connection);
  void OnRoom(PooledConnection& connection);
  void OnClosed(PooledConnection& connection, Failure why);
  void MarkIdle(PooledConnection& connection);
  uint32_t streams_per_connection() const;

  Cluster& cluster_;
  Endpoint& endpoint_;
  const HttpVersion version_;
  IntrusiveList<PooledConnection> idle_;  // most recently used first
  IntrusiveList<PooledConnection> busy_;  // with at least one stream, or connecting
  IntrusiveList<StreamWaiter> queue_;
  uint32_t connections_ = 0;
  uint32_t connecting_ = 0;
  uint32_t waiters_ = 0;
  bool draining_ = false;
};

}  // namespace tulle::upstream
