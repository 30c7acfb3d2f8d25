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

// What a request may still try and what that takes: its body as far as it has come, kept by
// reference, and where it has been. When it may is retry.cc's to say. Owner: Exchange. Thread: the
// worker's.
class Retries {
 public:
  explicit Retries(Slab& slab) : body_(slab) {}
  Retries(const Retries&) = delete;
  Retries& operator=(const Retries&) = delete;

  void Allow(uint32_t retries) { left_ = retries; }
  uint32_t left() const { return left_; }
  uint32_t done() const { return done_; }
  // One more, if the cluster's caps have room; it counts there until Leave. The cluster must stay
  // until then.
  bool TryEnter(upstream::Cluster& cluster);
  void Leave();
  // One more beside these, and only one. For the end of a kept connection: outside the caps, and on
  // a connection that has not served yet.
  bool TryFreshConnection();
  // For what the upstream says it has not begun on: within the caps.
  bool TryRefused(upstream::Cluster& cluster);
  bool fresh_connection() const { return fresh_connection_; }

  // Of the body, in order, until an answer begins: what an attempt has been given. If it outgrows
  // `limit` bytes, or nothing may follow, it is let go.
  void Keep(const Buffer& data, size_t limit);
  // What came while there was no attempt to give it to: it goes out with the next, so nothing of it
  // may be missing. No more comes than credit was given for. Taken.
  void Hold(Buffer& data);
  void Release();
  // Whether nothing of what was received is missing.
  bool has_whole_body() const { return whole_; }
  const Buffer& body() const { return body_; }

  void OnPicked(upstream::Endpoint& endpoint) { tried_[tried_count_++ % kTriedKept] = &endpoint; }
  // The latest few, in no order.
  std::span<upstream::Endpoint* const> tried() const {
    return {tried_, std::min(tried_count_, kTriedKept)};
  }

  // By the answer that is retried next: in place of the back-off.
  void AskWait(std::optional<loop::Duration> wait) { wait_asked_ = wait; }
  // Before the retry that was entered last. Fully jittered: uniform in [0, min(max, base *
  // 2^(n-1))), as in Envoy's code; a wait that was asked for, and up to half of it more.
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
