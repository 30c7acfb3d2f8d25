// When to report an error that may repeat: at once, then once a minute with the number of attempts
// since. Pure; a part of IdentityAgent.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/loop/loop.h"

namespace tulle::identity {

class RepeatedError {
 public:
  // An attempt failed. Returns the text to report; empty: nothing now.
  std::string Next(const std::string& error, loop::Instant now) {
    if (error != error_) {
      error_ = error;
      reported_at_ = now;
      attempts_ = 0;
      return error;
    }
    ++attempts_;
    if (now - reported_at_ < kInterval) return "";
    reported_at_ = now;
    return absl::StrCat(error, " (", std::exchange(attempts_, 0), " more attempts failed)");
  }

 private:
  static constexpr std::chrono::minutes kInterval{1};

  std::string error_;
  loop::Instant reported_at_{};
  uint64_t attempts_ = 0;  // since then
};

}  // namespace tulle::identity
