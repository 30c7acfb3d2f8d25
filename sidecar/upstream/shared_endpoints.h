#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "sidecar/upstream/breaker.h"

namespace tulle::upstream {

// The result of active health checks. An endpoint that was not checked yet is used.
enum class CheckedHealth : uint8_t { kNotYet, kGood, kBad };

// The state of one endpoint shared by all workers. Any thread; lock-free.
struct SharedEndpoint {
  Breaker breaker;
  // The failure that opened the breaker; kNone: an answer of 500 or above.
  std::atomic<FailureKind> opened_by{FailureKind::kNone};
  std::atomic<CheckedHealth> checked{CheckedHealth::kNotYet};
};

// The endpoints of one cluster by address: kept as long as a worker or a health check uses them.
// Accessed when endpoints change and by status pages, never by a request. Owner: ClusterLimits. Any
// thread.
class SharedEndpoints {
 public:
  std::shared_ptr<SharedEndpoint> For(const SocketAddress& address) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<SharedEndpoint>& known = endpoints_[address];
    std::shared_ptr<SharedEndpoint> endpoint = known.lock();
    if (endpoint == nullptr) known = endpoint = std::make_shared<SharedEndpoint>();
    return endpoint;
  }

  void ForEach(const std::function<void(const SocketAddress&, const SharedEndpoint&)>& visit) {
    const std::lock_guard lock(mutex_);
    for (auto one = endpoints_.begin(); one != endpoints_.end();) {
      if (const std::shared_ptr<SharedEndpoint> endpoint = one->second.lock()) {
        visit(one->first, *endpoint);
        ++one;
      } else {
        one = endpoints_.erase(one);
      }
    }
  }

 private:
  std::mutex mutex_;
  std::map<SocketAddress, std::weak_ptr<SharedEndpoint>> endpoints_;
};

}  // namespace tulle::upstream
