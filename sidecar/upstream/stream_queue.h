#pragma once

#include <cstdint>

#include "net/base/intrusive_list.h"
#include "net/http/stream.h"
#include "net/loop/deadlines.h"
#include "net/socket/transport.h"
#include "sidecar/upstream/pool_resources.h"

namespace tulle::upstream {

class StreamWaiter;

// The requests that wait for a stream of one pool, in order of arrival, within the cluster's limit
// on pending requests; and how many connections are being established for them. A request waits for
// at most connect_timeout while there is none. Owner: ConnectionPool. Thread: the worker's.
class StreamQueue {
 public:
  explicit StreamQueue(PoolResources& resources) : resources_(resources) {}
  // Withdraws the rest: no event follows.
  ~StreamQueue();

  // False: the limit on pending requests is reached. `fresh`: as passed to Acquire.
  bool Push(StreamWaiter& waiter, bool fresh);
  StreamWaiter& front() { return list_.front(); }
  StreamWaiter& Pop();
  void Remove(StreamWaiter& waiter);
  bool empty() const { return size_ == 0; }

  void AddConnecting() { ++connecting_; }
  void RemoveConnecting() { --connecting_; }
  uint32_t connecting() const { return connecting_; }
  // Whether more requests wait than the connections under way will serve.
  bool NeedsConnection(uint32_t streams_each) const { return connecting_ * streams_each < size_; }
  // Fails the requests for which no connection is under way.
  void FailExcess(uint32_t streams_each, Failure why);
  void OnWaitTimeout(StreamWaiter& waiter);

 private:
  PoolResources& resources_;
  IntrusiveList<StreamWaiter> list_;
  uint32_t size_ = 0;
  uint32_t connecting_ = 0;
};

// A request that waits for a stream. Destroying it withdraws it. Owner: the request.
class StreamWaiter : public ListNode<StreamWaiter> {
 public:
  StreamWaiter()
      : wait_(this, [](void* self) { static_cast<StreamWaiter*>(self)->OnWaitTimeout(); }) {}
  virtual ~StreamWaiter() { Withdraw(); }
  // No OnStream or OnNoStream follows.
  void Withdraw() {
    if (queue_ != nullptr) queue_->Remove(*this);
  }
  virtual http::StreamEvents& events() = 0;
  // Exactly one of these is called, once, unless withdrawn. `reused`: the connection has carried a
  // request before.
  virtual void OnStream(http::Stream& stream, Transport& transport, bool reused) = 0;
  virtual void OnNoStream(Failure failure) = 0;
  bool waiting() const { return queue_ != nullptr; }
  // Whether a connection to the endpoint is being established; otherwise our own limits delay the
  // request.
  bool connection_under_way() const { return queue_ != nullptr && queue_->connecting() > 0; }

  // For the queue.
  void Enter(StreamQueue* queue, bool fresh) {
    queue_ = queue;
    fresh_ = fresh;
  }
  bool fresh() const { return fresh_; }
  loop::Deadline& wait() { return wait_; }

 private:
  void OnWaitTimeout() { queue_->OnWaitTimeout(*this); }

  loop::Deadline wait_;
  StreamQueue* queue_ = nullptr;  // while queued
  bool fresh_ = false;
};

}  // namespace tulle::upstream
