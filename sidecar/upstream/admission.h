#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "sidecar/upstream/shared_endpoints.h"

namespace tulle::upstream {

// One strict limit shared by all workers. With one worker the count is in effect a plain integer:
// no locked instruction is used. Owner: ClusterLimits. Thread: any worker's.
class Admission {
 public:
  // False: the limit is reached.
  bool TryEnter(uint32_t cap, bool single_worker) {
    if (single_worker) {
      const uint32_t now = count_.load(std::memory_order_relaxed);
      if (now >= cap) return false;
      count_.store(now + 1, std::memory_order_relaxed);
      return true;
    }
    if (count_.fetch_add(1, std::memory_order_relaxed) < cap) return true;
    count_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void Leave(bool single_worker) {
    if (single_worker) {
      count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    } else {
      count_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  uint32_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> count_{0};
};

// The counters behind Caps, one per cluster name and process, kept over configuration changes.
struct alignas(64) ClusterLimits {
  // `of_all`: see NoteBreakerChange; null: no one watches.
  explicit ClusterLimits(int worker_count, std::shared_ptr<std::atomic<uint32_t>> of_all = nullptr)
      : single_worker(worker_count == 1),
        workers(worker_count),
        changes_of_all(std::move(of_all)) {}

  // The breaker of an endpoint has opened, or its trial has ended. Also counted over all clusters,
  // so that reports look at them only after a change.
  void NoteBreakerChange() {
    changes.fetch_add(1, std::memory_order_acq_rel);
    if (changes_of_all != nullptr) changes_of_all->fetch_add(1, std::memory_order_acq_rel);
  }

  const bool single_worker;
  const int workers;
  Admission requests;
  Admission pending;
  Admission retries;
  Admission connections;
  // Incremented when an endpoint's breaker or checked health changes: workers that see a new number
  // rebuild their endpoint groups.
  std::atomic<uint32_t> changes{0};
  const std::shared_ptr<std::atomic<uint32_t>> changes_of_all;
  // A request has opened a connection: health checks run more often from then on.
  std::atomic<bool> used{false};
  SharedEndpoints endpoints;
};

}  // namespace tulle::upstream
