// Logs what goes wrong, but the same text at most once a minute, and at most 20 lines in 10 s,
// since strangers may cause them. A line says how many were left out before it. Owner: whoever may
// repeat itself. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class ProblemLog {
 public:
  // References outlive this.
  ProblemLog(loop::Loop& loop, telemetry::Log& log, telemetry::LogComponent component)
      : loop_(loop), log_(log), component_(component) {}

  void Report(const std::string& text) {
    const loop::Instant now = loop_.Now();
    if (text == last_ && now - at_ < std::chrono::minutes(1)) return LeaveOut();
    if (lines_ == 0 || now - lines_since_ >= kLinesEvery) {
      lines_since_ = now;
      lines_ = 0;
    }
    if (lines_ >= kMostLines) return LeaveOut();
    ++lines_;
    last_ = text;
    at_ = now;
    const uint64_t left_out = std::exchange(left_out_, 0);
    log_.Write(telemetry::LogLevel::kWarning, component_,
               left_out == 0 ? text : absl::StrCat(text, " (", left_out, " lines were left out)"));
  }

 private:
  static constexpr int kMostLines = 20;
  static constexpr std::chrono::seconds kLinesEvery{10};

  void LeaveOut() { ++left_out_; }

  loop::Loop& loop_;
  telemetry::Log& log_;
  const telemetry::LogComponent component_;
  std::string last_;
  loop::Instant at_{};
  loop::Instant lines_since_{};
  int lines_ = 0;          // since then
  uint64_t left_out_ = 0;  // since the last line
};

}  // namespace tulle::kubernetes
