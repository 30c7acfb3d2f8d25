// The message that we send on one HTTP/2 stream: its state, and the body and trailers that wait for
// the peer's window. Source: RFC 9113 8.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/http/header_map.h"
#include "net/http2/stream_state.h"

namespace tulle::http2 {

// Pure: the stream submits frames. Owner: a Stream. Thread: the stream's. Order: OnHead, Add*,
// AddTrailers? by the user; then Next and Write by nghttp2 for each DATA frame.
class OutgoingMessage {
 public:
  // What nghttp2 shall do with the bytes of a DATA frame.
  enum class Next : uint8_t {
    kWait,      // there are none yet: it waits until it is resumed
    kBody,      // more may follow
    kEnd,       // END_STREAM
    kTrailers,  // the trailers follow, and must be submitted now
  };
  struct Piece {
    Next next;
    size_t size;
  };

  explicit OutgoingMessage(Slab& slab) : body_(slab) {}

  const SendingState& state() const { return state_; }
  const http::HeaderMap& trailers() const { return *trailers_; }
  // Bytes of frames of this message that were written.
  uint64_t bytes_on_wire() const { return bytes_on_wire_; }
  size_t footprint() const { return body_.footprint(); }

  void OnHead(bool end) { state_.OnHead(end); }
  // Both: true if nghttp2 must be resumed.
  [[nodiscard]] bool Add(Buffer& data, bool end) {
    body_.Append(data);
    return state_.OnMore(end);
  }
  [[nodiscard]] bool AddTrailers(const http::HeaderMap& trailers);
  // Bytes that may be added if at most `most` shall wait. 0 is remembered for TakeRoom.
  size_t Room(size_t most) const;
  // True once after Room() was 0, when there is room again.
  bool TakeRoom(size_t most);
  bool room_wanted() const { return room_wanted_; }
  void DropBody() { body_.Clear(); }

  // What to put into a DATA frame of at most `most` bytes.
  Piece TakeNext(size_t most);
  // Writes a DATA frame with `size` bytes of body.
  void Write(Buffer& out, std::string_view frame_head, size_t size);
  // A frame of this message was written; `end`: with END_STREAM.
  void OnFrameSent(size_t bytes, bool end) {
    bytes_on_wire_ += bytes;
    if (end) state_.OnSent();
  }

 private:
  Buffer body_;
  std::optional<Arena> arena_;  // of the trailers
  http::HeaderMap* trailers_ = nullptr;
  uint64_t bytes_on_wire_ = 0;
  SendingState state_;
  mutable bool room_wanted_ = false;  // the user saw Room() == 0
};

}  // namespace tulle::http2
