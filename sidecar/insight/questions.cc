#include "sidecar/insight/questions.h"

#include <string>
#include <utility>

#include "sidecar/insight/answerer.h"
#include "telemetry/version.h"

namespace tulle::sidecar {

insight::v1::Answer OnlyAnswer(const insight::v1::Question& question) {
  insight::v1::Answer answer;
  answer.set_question(question.id());
  answer.set_is_last(true);
  return answer;
}

insight::v1::Answer ErrorAnswer(const insight::v1::Question& question, std::string_view error) {
  insight::v1::Answer answer = OnlyAnswer(question);
  answer.set_error(std::string(error));
  return answer;
}

void Questions::Add(Kind kind, std::unique_ptr<Answerer> answerer) {
  answerers_[kind] = std::move(answerer);
}

void Questions::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  const auto answerer = answerers_.find(question.kind_case());
  if (question.id() != 0 && answerer != answerers_.end())
    return answerer->second->OnQuestion(question, replies);
  replies.Send(ErrorAnswer(question, question.id() == 0
                                         ? std::string("a question needs an id that is not 0")
                                         : std::string("tulle-sidecar ") +
                                               std::string(telemetry::kVersion) +
                                               " does not know this kind of question; update it"));
}

void Questions::OnEnd(uint32_t question) {
  for (const auto& [kind, answerer] : answerers_) answerer->OnEnd(question);
}

void Questions::OnStreamEnd() {
  for (const auto& [kind, answerer] : answerers_) answerer->OnStreamEnd();
}

}  // namespace tulle::sidecar
