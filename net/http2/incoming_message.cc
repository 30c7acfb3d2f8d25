#include "net/http2/incoming_message.h"

#include <algorithm>
#include <limits>

namespace tulle::http2 {
namespace {

// Bodies up to this size are copied to the previous block rather than linked: many tiny DATA frames
// must not cost more memory than the window they use.
constexpr size_t kCopiedBody = 1024;

}  // namespace

Verdict IncomingMessage::EndBlock(bool end, const http::Limits& limits, http::Head*& head) {
  if (!block_.open()) {
    // Not decoded. That the message is complete still matters: no reset follows the response.
    if (end) state_.OnEnd();
    return Verdict::kOk;
  }
  if (const Verdict verdict = block_.Finish(); verdict != Verdict::kOk) return verdict;
  if (block_.kind() == HeaderBlock::Kind::kTrailers) {
    trailers_ = block_.trailers();
    if (end) state_.OnEnd();
    return Verdict::kOk;
  }
  const uint32_t status = block_.head()->status;
  const bool interim =
      block_.kind() == HeaderBlock::Kind::kResponse && status >= 100 && status < 200;
  if (interim && ++interim_responses_ > limits.interim_responses) return Verdict::kTooLarge;
  if (!interim) state_.OnHead(end);
  head = block_.head();
  return Verdict::kOk;
}

bool IncomingMessage::Copy(std::string_view bytes, ReceiveWindows& windows) {
  if (bytes.size() > kCopiedBody || body_.empty()) return false;
  body_.Append(bytes);
  windows.OnHeld(bytes.size());
  return true;
}

void IncomingMessage::Move(Buffer& from, size_t size, ReceiveWindows& windows) {
  body_.AppendFront(from, size);
  windows.OnHeld(size);
}

bool IncomingMessage::Grant(size_t bytes) {
  credit_ += std::min(bytes, std::numeric_limits<size_t>::max() - credit_);
  return !body_.empty();
}

size_t IncomingMessage::TakeBody(Buffer& into, ReceiveWindows& windows) {
  const size_t size = std::min(credit_, body_.size());
  if (size == 0) return 0;
  into.AppendFront(body_, size);
  credit_ -= size;
  windows.OnReleased(size);
  return size;
}

bool IncomingMessage::TakeEnd() {
  if (!state_.end_pending() || !body_.empty()) return false;
  state_.OnEndDelivered();
  return true;
}

size_t IncomingMessage::GrowWindow(ReceiveWindows& windows) {
  const size_t more = windows.Grow(window_growth_);
  if (more == 0) return 0;
  window_growth_ += more;
  return windows.initial() + window_growth_;
}

bool IncomingMessage::Refuse(Failure why) {
  if (refused()) return false;
  why_ = why;
  return true;
}

void IncomingMessage::Fail(Failure why, ReceiveWindows& windows) {
  why_ = why;
  state_.OnReset();
  Discard(windows);
}

void IncomingMessage::Discard(ReceiveWindows& windows) {
  block_.Skip();
  windows.OnReleased(body_.size());
  body_.Clear();
}

}  // namespace tulle::http2
