#include "net/http2/outgoing_message.h"

#include <algorithm>

namespace tulle::http2 {
namespace {

// Bodies up to this size are copied into the output rather than linked to it.
constexpr size_t kCopiedToOutput = 1024;

}  // namespace

bool OutgoingMessage::AddTrailers(const http::HeaderMap& trailers) {
  // They must wait until the body was sent.
  Arena& arena = arena_.emplace(body_.slab());
  trailers_ = arena.New<http::HeaderMap>(arena);
  for (const http::Header& header : trailers.all()) {
    trailers_->Add(header.id, arena.Copy(header.name), arena.Copy(header.value));
  }
  return state_.OnMore(true);
}

size_t OutgoingMessage::Room(size_t most) const {
  if (body_.size() < most) return most - body_.size();
  room_wanted_ = true;
  return 0;
}

bool OutgoingMessage::TakeRoom(size_t most) {
  if (!room_wanted_ || body_.size() >= most) return false;
  room_wanted_ = false;
  return true;
}

OutgoingMessage::Piece OutgoingMessage::TakeNext(size_t most) {
  const size_t size = std::min(most, body_.size());
  if (size == 0 && !state_.ended()) {
    state_.OnPaused();
    return {Next::kWait, 0};
  }
  if (size < body_.size() || !state_.ended()) return {Next::kBody, size};
  const bool trailers = state_.OnBodyTaken() && trailers_ != nullptr;
  return {trailers ? Next::kTrailers : Next::kEnd, size};
}

void OutgoingMessage::Write(Buffer& out, std::string_view frame_head, size_t size) {
  out.Append(frame_head);
  const std::string_view front = body_.Front();
  if (size <= kCopiedToOutput && front.size() >= size) {
    out.Append(front.substr(0, size));
    body_.Drain(size);
  } else {
    out.AppendFront(body_, size);
  }
}

}  // namespace tulle::http2
