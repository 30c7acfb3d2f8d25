#include "sidecar/upstream/stream_queue.h"

#include "sidecar/upstream/failures.h"

namespace tulle::upstream {

StreamQueue::~StreamQueue() {
  while (!empty()) Pop();
}

bool StreamQueue::Push(StreamWaiter& waiter, bool fresh) {
  ClusterLimits& limits = *resources_.limits;
  const ClusterSpec& spec = *resources_.spec;
  if (!limits.pending.TryEnter(spec.caps.pending_requests, limits.single_worker)) return false;
  waiter.Enter(this, fresh);
  list_.PushBack(waiter);
  ++size_;
  resources_.deadlines.Set(waiter.wait(), spec.connect_timeout);
  return true;
}

StreamWaiter& StreamQueue::Pop() {
  StreamWaiter& waiter = list_.front();
  Remove(waiter);
  return waiter;
}

void StreamQueue::Remove(StreamWaiter& waiter) {
  waiter.Enter(nullptr, waiter.fresh());
  waiter.wait().Clear();
  waiter.Unlink();
  --size_;
  resources_.limits->pending.Leave(resources_.limits->single_worker);
}

void StreamQueue::FailExcess(uint32_t streams_each, Failure why) {
  while (NeedsConnection(streams_each)) Pop().OnNoStream(why);
}

// A connection being established has its own timeout; other waiters wait for one to be returned.
void StreamQueue::OnWaitTimeout(StreamWaiter& waiter) {
  if (connecting_ > 0)
    return resources_.deadlines.Set(waiter.wait(), resources_.spec->connect_timeout);
  Remove(waiter);
  waiter.OnNoStream({failures::kOverflow, "no connection became free within connect_timeout"});
}

}  // namespace tulle::upstream
