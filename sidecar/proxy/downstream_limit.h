#pragma once

#include <atomic>
#include <cstdint>

namespace tulle::proxy {

// The maximum of open downstream connections, over all listeners and workers. Never exceeded.
// Owner: Sidecar. Any thread. Source: overload_manager, global_downstream_max_connections.
class DownstreamLimit {
 public:
  explicit DownstreamLimit(uint64_t allowed) : allowed_(allowed) {}

  // False: the limit is reached. Each true is followed by one Leave.
  bool TryEnter() {
    if (open_.fetch_add(1, std::memory_order_relaxed) < allowed_) return true;
    Leave();
    return false;
  }
  void Leave() { open_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const uint64_t allowed_;
  std::atomic<uint64_t> open_{0};
};

}  // namespace tulle::proxy
