#pragma once

#include <array>
#include <memory>
#include <optional>

#include "net/loop/loop.h"
#include "sidecar/insight/answerer.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// Answers Question.log_level: sets the level of the process's log, or of one of its components,
// for a time or until the process ends.
class LogLevelAnswers final : public Answerer {
 public:
  static constexpr uint32_t kMostSeconds = 24 * 3600;

  // References outlive this.
  LogLevelAnswers(loop::Loop& loop, telemetry::Log& log);

  void OnQuestion(const insight::v1::Question& question, Replies& replies) override;

 private:
  using Levels =
      std::array<telemetry::LogLevel, static_cast<size_t>(telemetry::LogComponent::kCount)>;

  // Without a component: of all.
  void Set(std::optional<telemetry::LogComponent> component, telemetry::LogLevel level,
           uint32_t seconds);
  void Restore();

  telemetry::Log& log_;
  Levels former_{};  // while the timer runs
  std::unique_ptr<loop::Timer> timer_;
};

}  // namespace tulle::sidecar
