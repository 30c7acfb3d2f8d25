// Logs what goes wrong, but the same text at most once a minute. Owner: whoever may repeat itself.
// Thread: the loop's.
#pragma once

#include <chrono>
#include <string>

#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class ProblemLog {
 public:
  // References outlive this.
  ProblemLog(loop::Loop& loop, telemetry::Log& log, telemetry::LogComponent component)
      : loop_(loop), log_(log), component_(component) {}

  void Report(const std::string& text) {
    if (text == last_ && loop_.Now() - at_ < std::chrono::minutes(1)) return;
    last_ = text;
    at_ = loop_.Now();
    log_.Write(telemetry::LogLevel::kWarning, component_, text);
  }

 private:
  loop::Loop& loop_;
  telemetry::Log& log_;
  const telemetry::LogComponent component_;
  std::string last_;
  loop::Instant at_{};
};

}  // namespace tulle::kubernetes
