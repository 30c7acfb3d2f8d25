#include "sidecar/insight/log_level_answers.h"

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"

namespace tulle::sidecar {

using telemetry::LogComponent;
using telemetry::LogLevel;

namespace {

std::string UnknownComponent() {
  std::string text = "component: must be one of";
  for (size_t i = 0; i < static_cast<size_t>(LogComponent::kCount); ++i)
    absl::StrAppend(&text, i == 0 ? " " : ", ", std::string(NameOf(static_cast<LogComponent>(i))));
  return text;
}

}  // namespace

LogLevelAnswers::LogLevelAnswers(loop::Loop& loop, telemetry::Log& log)
    : log_(log), timer_(loop.NewTimer([this] { Restore(); })) {}

void LogLevelAnswers::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  const insight::v1::LogLevel& wanted = question.log_level();
  const auto component =
      wanted.component().empty() ? std::nullopt : telemetry::ParseLogComponent(wanted.component());
  if (!component && !wanted.component().empty())
    return replies.Send(ErrorAnswer(question, UnknownComponent()));
  if (!wanted.level().empty()) {
    const auto level = telemetry::ParseLogLevel(wanted.level());
    if (!level) {
      return replies.Send(
          ErrorAnswer(question, "level: must be trace, debug, info, warning, error or off"));
    }
    if (wanted.seconds() > kMostSeconds)
      return replies.Send(ErrorAnswer(question, absl::StrCat("seconds: at most ", kMostSeconds)));
    Set(component, *level, wanted.seconds());
  }
  insight::v1::Answer answer = OnlyAnswer(question);
  answer.set_text(std::string(NameOf(log_.level(component.value_or(LogComponent::kMain)))));
  replies.Send(std::move(answer));
}

// What was before the first of several times comes back.
void LogLevelAnswers::Set(std::optional<LogComponent> component, LogLevel level, uint32_t seconds) {
  if (!timer_->active()) {
    for (size_t i = 0; i < former_.size(); ++i)
      former_[i] = log_.level(static_cast<LogComponent>(i));
  }
  if (component) {
    log_.SetLevel(*component, level);
  } else {
    log_.SetLevel(level);
  }
  timer_->Stop();
  if (seconds != 0) timer_->Start(std::chrono::seconds(seconds));
}

void LogLevelAnswers::Restore() {
  for (size_t i = 0; i < former_.size(); ++i)
    log_.SetLevel(static_cast<LogComponent>(i), former_[i]);
}

}  // namespace tulle::sidecar
