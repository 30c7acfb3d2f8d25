#include "sidecar/process/ending.h"

#include <chrono>
#include <utility>

namespace tulle::sidecar {

using telemetry::LogComponent;
using telemetry::LogLevel;

Ending::Ending(loop::Loop& loop, Sidecar& sidecar, telemetry::Log& log, Times times,
               Withdraw withdraw)
    : loop_(loop), sidecar_(sidecar), log_(log), times_(times), withdraw_(std::move(withdraw)) {}

void Ending::Leave(std::function<void()> done) {
  if (state_ == State::kLeft) return done();
  waiting_.push_back(std::move(done));
  if (std::exchange(state_, State::kLeaving) == State::kLeaving) return;
  log_.Write(LogLevel::kInfo, LogComponent::kMain, "leaving the mesh");
  sidecar_.AnnounceEnd();
  withdraw_([this] { OnLeft(); });
}

void Ending::OnLeft() {
  state_ = State::kLeft;
  for (const auto& done : std::exchange(waiting_, {})) done();
}

void Ending::Exit() {
  if (std::exchange(exiting_, true)) return loop_.Stop();
  log_.Write(LogLevel::kInfo, LogComponent::kMain, "draining");
  Leave([this] { sidecar_.Drain(times_.grace, times_.quiet, [this] { loop_.Stop(); }); });
}

void Ending::DrainOnly() {
  sidecar_.Drain(std::chrono::hours(24), times_.quiet, [] {});
}

}  // namespace tulle::sidecar
