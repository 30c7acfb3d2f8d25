#include "control-plane/insight/open_questions.h"

#include <algorithm>

namespace tulle::insight {

void OpenQuestions::OnSent(const v1::ToSidecar& message, loop::Instant now) {
  open_.erase(message.end_tap());
  if (!message.has_question()) return;
  std::erase_if(open_, [now](const auto& each) { return !IsAwaited(each.second, now); });
  open_[message.question().id()] = {message.question().has_tap(), now};
}

bool OpenQuestions::Take(const v1::Answer& answer, loop::Instant now) {
  const auto found = open_.find(answer.question());
  if (found == open_.end()) return false;
  const bool is_awaited = IsAwaited(found->second, now);
  if (!is_awaited || answer.is_last() || !answer.error().empty()) open_.erase(found);
  return is_awaited;
}

bool OpenQuestions::are_urgent(loop::Instant now) const {
  return std::any_of(open_.begin(), open_.end(), [now](const auto& each) {
    return !each.second.is_tap && IsAwaited(each.second, now);
  });
}

}  // namespace tulle::insight
