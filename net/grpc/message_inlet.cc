#include "net/grpc/message_inlet.h"

#include <algorithm>

namespace tulle::grpc {
namespace {
constexpr size_t kCredit = 64 * 1024;
}  // namespace

void MessageInlet::OnData(Buffer& data, bool end) {
  credit_ -= std::min(credit_, data.size());
  reader_.Append(data);
  ended_ |= end;
}

MessageInlet::Result MessageInlet::Take(std::string& message) {
  if (*error_ != '\0') return Result::kBroken;
  // The end of the stream after the last message needs no credit.
  if (wanted_ == 0) return ended_ && !reader_.in_message() ? Result::kEnd : Result::kWaiting;
  switch (reader_.Next(message)) {
    case MessageReader::Result::kMessage:
      --wanted_;
      return Result::kMessage;
    case MessageReader::Result::kNeedMore:
      break;
    case MessageReader::Result::kTooLarge:
      too_large_ = true;
      error_ = "message exceeds the local limit";
      return Result::kBroken;
    case MessageReader::Result::kCompressed:
      error_ = "compressed message, but no compression was negotiated";
      return Result::kBroken;
  }
  if (ended_) {
    if (!reader_.in_message()) return Result::kEnd;
    error_ = "the body ended in the middle of a message";
    return Result::kBroken;
  }
  if (credit_ == 0 && stream_ != nullptr) {
    credit_ = kCredit;
    stream_->Pull(kCredit);
  }
  return Result::kWaiting;
}

}  // namespace tulle::grpc
