#pragma once

#include <chrono>
#include <cstdint>

#include "net/loop/loop.h"

namespace tulle::proxy {

// At most so many a second, by windows of one second. Owner and thread: whoever asks.
class SecondLimit {
 public:
  bool Take(loop::Instant now, uint32_t most) {
    if (since_ == loop::Instant() || now - since_ >= std::chrono::seconds(1)) {
      since_ = now;
      taken_ = 0;
    }
    if (taken_ >= most) return false;
    ++taken_;
    return true;
  }

 private:
  loop::Instant since_{};
  uint32_t taken_ = 0;
};

}  // namespace tulle::proxy
