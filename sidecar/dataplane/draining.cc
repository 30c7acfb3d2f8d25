#include "sidecar/dataplane/draining.h"

#include <chrono>
#include <utility>

namespace tulle::sidecar {
namespace {

constexpr loop::Duration kPoll = std::chrono::milliseconds(50);

}  // namespace

Draining::Draining(loop::Loop& main, const Workers& workers)
    : main_(main), workers_(workers), timer_(main.NewTimer([this] { Check(); })) {}

void Draining::Start(loop::Duration grace, loop::Duration quiet, std::function<void()> done) {
  done_ = std::move(done);
  end_ = main_.Now() + grace;
  quiet_ = quiet;
  Check();
}

void Draining::Check() {
  if (main_.Now() >= end_) return done_();
  auto waiting_for = std::make_shared<int>(static_cast<int>(workers_.size()));
  auto all_done = std::make_shared<bool>(true);
  for (const auto& worker : workers_) {
    // Nothing of this object is read on the worker's thread.
    worker->Post([this, &main = main_, quiet = quiet_, waiting_for, all_done](Worker& on_thread) {
      main.Post([this, waiting_for, all_done, done = on_thread.ContinueEnd(quiet)] {
        *all_done &= done;
        if (--*waiting_for > 0) return;
        if (*all_done) return done_();
        timer_->Start(kPoll);
      });
    });
  }
}

}  // namespace tulle::sidecar
