#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "net/base/buffer.h"
#include "net/loop/loop.h"
#include "sidecar/route/route_spec.h"

namespace tulle::upstream {
class Cluster;
class Endpoint;
}  // namespace tulle::upstream

namespace tulle::proxy {

// What is left of a request's retries, and what a retry needs: the body so far, kept by reference,
// and the endpoints that were tried. Whether there is a retry is decided in retry.h. Owner: Call.
// Thread: the worker's.
class Retries {
 public:
  explicit Retries(Slab& slab) : body_(slab) {}
  Retries(const Retries&) = delete;
  Retries& operator=(const Retries&) = delete;

  void Allow(uint32_t retries) { left_ = retries; }
  uint32_t left() const { return left_; }
  uint32_t done() const { return done_; }
  // One more retry, if the limits of the cluster allow it; it counts there until Leave, which comes
  // before the cluster is released.
  bool TryEnter(upstream::Cluster& cluster);
  void Leave();
  // One retry beside these, after a keep-alive race: outside the limits, on a connection that has
  // carried no request.
  bool TryFreshConnection();
  // One retry beside these, after a refused stream: within the limits. Only one of these three.
  bool TryRefused(upstream::Cluster& cluster);
  // One retry beside these, where no application was reached: outside the limits. When a pod ends,
  // everything under way to it must go elsewhere at once, which is more than the limits allow.
  bool TryElsewhere() { return !std::exchange(extra_used_, true); }
  bool fresh_connection() const { return fresh_connection_; }

  // Keeps a part of the body that an attempt has been sent, in order, until the response begins.
  // Beyond `limit` bytes, or when no retry is possible, all of it is dropped.
  void Keep(const Buffer& data, size_t limit);
  // Keeps what arrived between two attempts, for the next one: nothing of it may be dropped. It is
  // no more than there was credit for. Taken.
  void Hold(Buffer& data);
  void Release();
  // Nothing that was received has been dropped.
  bool has_whole_body() const { return whole_; }
  const Buffer& body() const { return body_; }

  void OnPicked(upstream::Endpoint& endpoint) { tried_[tried_count_++ % kTriedKept] = &endpoint; }
  // The latest few, unordered.
  std::span<upstream::Endpoint* const> tried() const {
    return {tried_, std::min(tried_count_, kTriedKept)};
  }

  // Stated by the response that is retried: replaces the back-off.
  void AskWait(std::optional<loop::Duration> wait) { wait_asked_ = wait; }
  // Before the retry that was entered last. Fully jittered: uniform in [0, min(max, base *
  // 2^(n-1))), as in Envoy's code; or the wait that was asked for, plus up to half of it.
  loop::Duration BackOff(const route::RetrySpec& spec, loop::Random& random);

 private:
  bool Enter(upstream::Cluster& cluster);

  static constexpr size_t kTriedKept = 4;

  uint32_t left_ = 0;
  uint32_t done_ = 0;
  bool extra_used_ = false;
  bool fresh_connection_ = false;
  bool whole_ = true;
  upstream::Cluster* entered_ = nullptr;
  std::optional<loop::Duration> wait_asked_;
  Buffer body_;
  size_t tried_count_ = 0;
  upstream::Endpoint* tried_[kTriedKept] = {};
};

}  // namespace tulle::proxy
