#pragma once

#include <chrono>
#include <cstddef>
#include <map>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"

namespace tulle::proxy {

// Destinations whose server spoke first: their next connections are dialled at once. It only saves
// the wait: a client that speaks before the server still decides.
// Owner: ListenerConnections. Thread: the worker's.
class ServerFirst {
 public:
  bool Knows(const SocketAddress& destination, loop::Instant now) const {
    const auto seen = seen_.find(destination);
    return seen != seen_.end() && now - seen->second < kRememberedFor;
  }
  void Remember(const SocketAddress& destination, loop::Instant now) {
    if (seen_.size() >= kMost) {
      std::erase_if(seen_, [&](const auto& one) { return now - one.second >= kRememberedFor; });
    }
    if (seen_.size() < kMost) seen_[destination] = now;
  }

 private:
  static constexpr loop::Duration kRememberedFor = std::chrono::minutes(10);
  static constexpr size_t kMost = 1024;

  std::map<SocketAddress, loop::Instant> seen_;
};

}  // namespace tulle::proxy
