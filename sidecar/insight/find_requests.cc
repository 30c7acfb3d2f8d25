#include "sidecar/insight/find_requests.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "sidecar/recorder/record_message.h"

namespace tulle::sidecar {
namespace {

constexpr uint32_t kUsualLimit = 100;
// Of one answer; what is more is left out.
constexpr size_t kMostBytes = 256 * 1024;

}  // namespace

void FindRequests::OnQuestion(const insight::v1::Question& question, Replies& replies) {
  const std::string own = own_();
  const auto filter = recorder::RecordFilter::Make(question.find(), own);
  if (!filter.ok())
    return replies.Send(ErrorAnswer(question, std::string(filter.status().message())));
  const uint32_t limit = filter->limit() == 0 ? kUsualLimit : filter->limit();
  const recorder::Found found = recorder_.Find(*filter, limit);
  insight::v1::Answer answer = OnlyAnswer(question);
  uint64_t left_out = found.left_out;
  size_t bytes = 0;
  for (const recorder::Found::One& one : found.records) {
    insight::v1::RequestRecord message =
        recorder::MessageOf(*one.ring, one.record, one.explanation.get(), own);
    bytes += message.ByteSizeLong();
    if (bytes > kMostBytes) {
      ++left_out;
    } else {
      *answer.add_requests() = std::move(message);
    }
  }
  answer.set_left_out(static_cast<uint32_t>(left_out));
  replies.Send(std::move(answer));
}

}  // namespace tulle::sidecar
