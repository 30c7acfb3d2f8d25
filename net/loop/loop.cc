#include "net/loop/loop.h"

#include <utility>

namespace tulle::loop {

void Loop::EndTurn() {
  if (ending_) return;
  ending_ = true;
  while (!turn_end_.empty() || !deletions_.empty()) {
    while (!turn_end_.empty()) turn_end_.PopFront().OnTurnEnd();
    // A destructor may defer further deletions, or request a last flush of what it released.
    std::vector<std::unique_ptr<Deletable>> now;
    now.swap(deletions_);
    now.clear();
    if (deletions_.empty()) deletions_.swap(now);  // keep the capacity
  }
  ending_ = false;
}

}  // namespace tulle::loop
