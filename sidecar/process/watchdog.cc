#include "sidecar/process/watchdog.h"

#include <pthread.h>

#include <utility>

namespace tulle::sidecar {

Watchdog::Watchdog(Events events, loop::Duration limit)
    : events_(std::move(events)), most_missed_(limit / kInterval) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  end_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Watch(std::string name, bool limited, Post post) {
  watched_.push_back(
      {std::move(name), limited, std::move(post), std::make_shared<std::atomic<bool>>(true)});
}

void Watchdog::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "watchdog");
}

void Watchdog::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!end_.wait_for(lock, kInterval, [this] { return ending_; })) Look();
}

void Watchdog::Look() {
  for (Watched& one : watched_) {
    if (!one.answered->load(std::memory_order_acquire)) {
      ++one.missed;
      if (one.missed == 1) events_.on_stall(one.name);
      if (one.limited && one.missed == most_missed_) events_.on_limit(one.name);
      continue;
    }
    one.missed = 0;
    one.answered->store(false, std::memory_order_relaxed);
    one.post([answered = one.answered] { answered->store(true, std::memory_order_release); });
  }
}

}  // namespace tulle::sidecar
