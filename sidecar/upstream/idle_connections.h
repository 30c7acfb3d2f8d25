#pragma once

#include <cstdint>
#include <memory>

#include "net/base/intrusive_list.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// A connection that may be idle. Owner: its pool.
class IdleConnection : public ListNode<IdleConnection> {
 public:
  virtual ~IdleConnection() = default;
  // Closes the connection at once. It leaves the list before this returns.
  virtual void CloseIdle() = 0;

  loop::Instant idle_since() const { return idle_since_; }
  void BecomeIdle(loop::Instant now) { idle_since_ = now; }
  void LeaveIdle() { ListNode<IdleConnection>::Unlink(); }

 private:
  loop::Instant idle_since_{};
};

// The idle connections of one cluster on one worker, over all endpoints, oldest first: closed after
// the idle timeout, beyond the number that may stay, and to make room for another endpoint. Owner:
// PoolResources. Thread: the worker's.
class IdleConnections {
 public:
  explicit IdleConnections(loop::Loop& loop);
  // `timeout`: 0 means none. `most`: the number that may stay after Trim.
  void Configure(Milliseconds timeout, uint32_t most);

  bool empty() const { return list_.empty(); }
  void Add(IdleConnection& connection);
  // Nothing if there is none.
  void CloseOldest();
  // Not on the path of a request: waiting requests have been served.
  void Trim();

 private:
  void CloseExpired();

  loop::Loop& loop_;
  IntrusiveList<IdleConnection> list_;
  std::unique_ptr<loop::Timer> timer_;
  Milliseconds timeout_{0};
  uint32_t most_ = Caps::kUnlimited;
};

}  // namespace tulle::upstream
