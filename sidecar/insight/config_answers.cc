#include "sidecar/insight/config_answers.h"

#include "absl/strings/str_cat.h"

namespace tulle::sidecar {

void ConfigAnswers::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  std::optional<std::string> page = page_(question.config().kind());
  if (!page) {
    return replies.Send(
        ErrorAnswer(question, "kind: must be clusters, listeners, routes, endpoints or secrets"));
  }
  if (page->size() > kMostBytes) {
    return replies.Send(ErrorAnswer(
        question, absl::StrCat("the document has ", page->size() / 1024, " KiB, more than ",
                               kMostBytes / 1024,
                               " KiB; ask the sidecar's own admin page /config_dump for it")));
  }
  insight::v1::Answer answer = OnlyAnswer(question);
  answer.set_text(*std::move(page));
  replies.Send(std::move(answer));
}

}  // namespace tulle::sidecar
