#include "sidecar/dataplane/rollout.h"

#include <algorithm>
#include <utility>

namespace tulle::sidecar {
namespace {

constexpr loop::Duration kFirstRetry = std::chrono::seconds(1);
constexpr loop::Duration kSlowestRetry = std::chrono::seconds(30);

}  // namespace

Rollout::Rollout(loop::Loop& main, const Workers& workers, std::function<void()> on_applied)
    : main_(main), workers_(workers), on_applied_(std::move(on_applied)) {
  retry_ = main_.NewTimer([this] { Post(); });
}

void Rollout::Start(std::shared_ptr<const Version> version) {
  version_ = std::move(version);
  retry_after_ = kFirstRetry;
  Post();
}

void Rollout::Post() {
  retry_->Stop();
  gathered_.clear();
  waiting_for_ = workers_.size();
  ++number_;
  for (const auto& worker : workers_) {
    worker->Post([this, version = version_, number = number_](Worker& on_thread) {
      main_.Post([this, number, errors = on_thread.Apply(version)]() mutable {
        OnApplied(number, std::move(errors));
      });
    });
  }
}

void Rollout::OnApplied(uint64_t number, std::vector<ListenerError> errors) {
  if (number != number_) return;  // a newer one is on its way
  for (ListenerError& error : errors) {
    if (std::find(gathered_.begin(), gathered_.end(), error) == gathered_.end())
      gathered_.push_back(std::move(error));
  }
  if (--waiting_for_ == 0) Finish();
}

void Rollout::Finish() {
  const bool news = in_force_ != version_ || errors_ != gathered_;
  in_force_ = version_;
  errors_ = std::exchange(gathered_, {});
  if (errors_.empty()) {
    was_complete_ |= !in_force_->snapshot->listeners.empty();
  } else {
    retry_->Start(retry_after_);
    retry_after_ = std::min(2 * retry_after_, kSlowestRetry);
  }
  if (news) on_applied_();
}

}  // namespace tulle::sidecar
