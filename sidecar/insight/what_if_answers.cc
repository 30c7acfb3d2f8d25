#include "sidecar/insight/what_if_answers.h"

#include <string>
#include <utility>

#include "sidecar/insight/what_if.h"

namespace tulle::sidecar {
namespace {

constexpr char kNoListener[] =
    "no listener takes it: this sidecar does not know the service or the port yet. A sidecar that "
    "intercepts traffic knows what its application has called";

}  // namespace

void WhatIfAnswers::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  auto request = RequestOf(question.what_if());
  if (!request.ok())
    return replies.Send(ErrorAnswer(question, std::string(request.status().message())));
  if (*waiting_ == kMostWaiting)
    return replies.Send(ErrorAnswer(question, "too many questions at a time; ask again"));
  ++*waiting_;
  insight::v1::Answer answer = OnlyAnswer(question);
  auto done = [&replies, answer, request = *request,
               waiting = std::weak_ptr(waiting_)](const proxy::RehearsalOutcome& outcome) mutable {
    const std::shared_ptr<size_t> mine = waiting.lock();
    if (mine == nullptr) return;
    --*mine;
    if (outcome.listener.empty()) {
      answer.set_error(kNoListener);
    } else {
      *answer.add_requests() = RecordOf(request, outcome);
    }
    replies.Send(std::move(answer));
  };
  sidecar_.Rehearse(*std::move(request), std::move(done));
}

}  // namespace tulle::sidecar
