// What one sidecar was asked and has not answered yet: an answer to anything else is dropped before
// much is done with it. Owner: the call. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "net/loop/loop.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

class OpenQuestions {
 public:
  // Who asked has gone on by then. A tap is open until it ends.
  static constexpr loop::Duration kPatience = std::chrono::seconds(2);

  void OnSent(const v1::ToSidecar& message, loop::Instant now);
  // Whether the answer is awaited; the last one is the last that is.
  bool Take(const v1::Answer& answer, loop::Instant now);
  // Somebody waits for an answer, other than what a tap sees.
  bool are_urgent(loop::Instant now) const;

 private:
  struct Open {
    bool is_tap = false;
    loop::Instant asked;
  };
  static bool IsAwaited(const Open& open, loop::Instant now) {
    return open.is_tap || now - open.asked < kPatience;
  }

  std::map<uint32_t, Open> open_;  // by the question's id
};

}  // namespace tulle::insight
