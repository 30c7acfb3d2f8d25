#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace tulle::loop {

// Tasks from any thread for the loop's. Owner: the loop.
class TaskQueue {
 public:
  // Returns whether the queue was empty, so that the loop has to be woken. Any thread.
  bool Push(absl::AnyInvocable<void()> task) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
    return waiting_.size() == 1;
  }
  // Runs the tasks queued at the call, in order. The loop's thread.
  void RunAll() {
    {
      std::lock_guard lock(mutex_);
      running_.swap(waiting_);
    }
    for (auto& task : running_) {
      task();
      task = nullptr;  // destroys what the task owns when it is done
    }
    running_.clear();
  }
  // Destroys them unrun, outside the lock. The loop's thread.
  void Clear() {
    std::vector<absl::AnyInvocable<void()>> dropped;
    {
      std::lock_guard lock(mutex_);
      dropped.swap(waiting_);
    }
  }

 private:
  std::mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> waiting_;
  std::vector<absl::AnyInvocable<void()>> running_;
};

}  // namespace tulle::loop
