#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/loop/loop.h"

namespace tulle::sidecar {

// Detects stalled event loops: one that runs a single callback for long serves nothing meanwhile.
// Posts an empty task to each loop every 200 ms. It counts its checks rather than time, so that a
// process that was stopped as a whole (or a machine that slept) does not count as stalled.
//
// Owner: WorkerThreads. Thread: Watch, Start and destruction on main; Look on the watchdog's own
// (or a test's).
class Watchdog {
 public:
  static constexpr loop::Duration kInterval = std::chrono::milliseconds(200);

  using Post = std::function<void(absl::AnyInvocable<void()> task)>;
  // Both run on the watchdog's thread: a loop stalled; a limited loop has stalled for `limit`.
  struct Events {
    std::function<void(const std::string& name)> on_stall;
    std::function<void(const std::string& name)> on_limit;
  };
  // `limit` is rounded to whole intervals; 0: no limit.
  Watchdog(Events events, loop::Duration limit);
  ~Watchdog();

  // Before Start. `post` runs a task on the loop, from any thread, and may be called until the
  // watchdog is destroyed. `limited`: the limit applies to it.
  void Watch(std::string name, bool limited, Post post);
  void Start();
  // Checks all loops once.
  void Look();

 private:
  struct Watched {
    std::string name;
    bool limited;
    Post post;
    std::shared_ptr<std::atomic<bool>> answered;
    int64_t missed = 0;
  };
  void Run();

  const Events events_;
  const int64_t most_missed_;
  std::vector<Watched> watched_;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace tulle::sidecar
