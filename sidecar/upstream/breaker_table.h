#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "net/base/socket_address.h"
#include "sidecar/upstream/breaker.h"

namespace tulle::upstream {

// The breakers of one cluster by address: kept as long as a worker has an endpoint there. Asked
// when endpoints change and by status pages, never by a request. Owner: ClusterLimits. Any thread.
class BreakerTable {
 public:
  std::shared_ptr<Breaker> For(const SocketAddress& address) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<Breaker>& known = breakers_[address];
    std::shared_ptr<Breaker> breaker = known.lock();
    if (breaker == nullptr) known = breaker = std::make_shared<Breaker>();
    return breaker;
  }

  void ForEach(const std::function<void(const SocketAddress&, const Breaker&)>& visit) {
    const std::lock_guard lock(mutex_);
    for (auto one = breakers_.begin(); one != breakers_.end();) {
      if (const std::shared_ptr<Breaker> breaker = one->second.lock()) {
        visit(one->first, *breaker);
        ++one;
      } else {
        one = breakers_.erase(one);
      }
    }
  }

 private:
  std::mutex mutex_;
  std::map<SocketAddress, std::weak_ptr<Breaker>> breakers_;
};

}  // namespace tulle::upstream
