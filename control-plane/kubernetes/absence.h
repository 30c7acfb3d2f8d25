// Whether something has gone, by what the API server says. One that has just started answers before
// it knows its custom resources and roles: only three answers within 30 s or more count. Time in
// which it cannot be reached proves nothing. Pure. Owner: ServedResources, Feed.
#pragma once

#include <chrono>

#include "net/loop/loop.h"

namespace tulle::kubernetes {

class Absence {
 public:
  // One more answer without it. True: it has gone.
  bool Confirm(loop::Instant now) {
    if (answers_ == 0) since_ = now;
    return ++answers_ >= kAnswers && now - since_ >= kLength;
  }
  // It is there.
  void Reset() { answers_ = 0; }

 private:
  static constexpr int kAnswers = 3;
  static constexpr std::chrono::seconds kLength{30};

  loop::Instant since_{};
  int answers_ = 0;
};

}  // namespace tulle::kubernetes
