#pragma once

#include <cstdint>
#include <memory>

#include "net/base/intrusive_list.h"
#include "net/http/connection.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/pool_resources.h"

namespace tulle::upstream {

// The immediate result of asking for a stream: a stream, a failure, or neither: the request waits.
struct Acquired {
  http::Stream* stream = nullptr;
  Transport* transport = nullptr;
  bool reused = false;
  Failure failure;
};

class PooledConnection;

// What a connection reports to its pool.
class PooledConnectionEvents {
 public:
  // Its transport has just become ready. False: it must not be used. `dialled_by`: as passed to
  // Start.
  virtual bool Admits(PooledConnection& connection, const tls::SecureConnector* dialled_by) = 0;
  virtual void OnConnected(PooledConnection& connection) = 0;
  virtual void OnRoom(PooledConnection& connection) = 0;
  // Delete it (DeferDelete).
  virtual void OnClosed(PooledConnection& connection, Failure why) = 0;

 protected:
  ~PooledConnectionEvents() = default;
};

// One upstream connection: its codec, its connect timeout and its age. Owner: its pool, in one of
// whose lists it is. Thread: the worker's.
class PooledConnection final : public http::ClientConnectionEvents,
                               public Deletable,
                               public IdleConnection,
                               public ListNode<PooledConnection> {
 public:
  PooledConnection(PooledConnectionEvents& pool, const PoolResources& resources)
      : pool_(pool), resources_(resources) {}
  // Call once. `codec` reports to this object.
  void Start(std::unique_ptr<http::ClientConnection> codec,
             std::shared_ptr<const tls::SecureConnector> dialled_by);

  void OnConnectionReady() override;
  void OnStreamRoom() override { pool_.OnRoom(*this); }
  void OnConnectionClosed(Failure why) override;
  void CloseIdle() override { Close({}); }

  bool connecting() const { return connecting_; }
  // Whether it takes no more requests because of their number, or of its age.
  bool IsSpent() const;
  bool used() const { return codec_->used(); }
  size_t StreamRoom() const { return codec_->StreamRoom(); }
  bool HasStreams() const { return codec_->active_streams() > 0; }
  const Transport& transport() const { return codec_->transport(); }

  // REQUIRES: StreamRoom() > 0.
  Acquired Open(http::StreamEvents& events);
  // No new streams; closes when the last one ends.
  void Drain() { codec_->Drain(); }
  // The same, and ends an upgraded stream at once.
  void DrainUntrusted();
  // Closes it and reports that.
  void Close(Failure why);
  // The pool is going away: closes it without a report.
  void Abandon(loop::Loop& loop);

  // Leaves the pool's list.
  void LeaveList() { ListNode<PooledConnection>::Unlink(); }

 private:
  PooledConnectionEvents& pool_;
  const PoolResources& resources_;
  std::unique_ptr<http::ClientConnection> codec_;
  std::unique_ptr<loop::Timer> connect_timer_;
  std::shared_ptr<const tls::SecureConnector> dialled_by_;  // until ready
  loop::Instant ready_since_{};
  uint32_t streams_opened_ = 0;
  bool connecting_ = true;
};

}  // namespace tulle::upstream
