// The message that the peer sends on one HTTP/2 stream: its state, the header block that is being
// decoded, and the body and trailers that wait for the user's credit. Source: RFC 9113 8.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/connection.h"
#include "net/http2/header_block.h"
#include "net/http2/receive_windows.h"
#include "net/http2/stream_state.h"

namespace tulle::http2 {

// Pure: the stream calls the user and returns window to the peer. Owner: a Stream. Thread: the
// stream's. Order, in any of these a Discard or Fail may come:
//
//   (BeginBlock AddField* EndBlock | Copy | Move)* OnEnd       as the peer sends it
//   (Grant | TakeBody | TakeEnd | TakeFailure)*                as the user takes it
class IncomingMessage {
 public:
  explicit IncomingMessage(Slab& slab) : body_(slab) {}

  const ReceivingState& state() const { return state_; }
  // Null until they were received; in the arena of their block.
  http::HeaderMap* trailers() const { return trailers_; }
  size_t footprint() const { return body_.footprint(); }

  // A header block. `first`: the kind of the first final block. A verdict other than kOk: refuse
  // the message. Without BeginBlock, or after Discard, the block is skipped.
  void BeginBlock(HeaderBlock::Kind first, Arena& arena) {
    block_.Begin(state_.head_received() ? HeaderBlock::Kind::kTrailers : first, arena);
  }
  Verdict AddField(std::string_view name, std::string_view value, const http::Limits& limits) {
    return block_.open() ? block_.Add(name, value, limits) : Verdict::kOk;
  }
  // Sets `head` if the block is a head that must be delivered now: an interim one unless
  // state().head_received().
  Verdict EndBlock(bool end, const http::Limits& limits, http::Head*& head);

  // Body was received. Copy: to the end of the last block; false: do Move instead, which takes
  // `size` bytes from the front of `from`.
  bool Copy(std::string_view bytes, ReceiveWindows& windows);
  void Move(Buffer& from, size_t size, ReceiveWindows& windows);
  void OnEnd() { state_.OnEnd(); }

  // The user accepts `bytes` more of body. True: body waits.
  bool Grant(size_t bytes);
  // Moves the body for which there is credit. The number of bytes.
  size_t TakeBody(Buffer& into, ReceiveWindows& windows);
  // True once: the peer has ended the message, and no body waits.
  bool TakeEnd();
  // The size that the stream's window shall grow to now; 0: it stays as it is.
  size_t GrowWindow(ReceiveWindows& windows);
  size_t window_growth() const { return window_growth_; }

  // Remembers why the stream will be reset by us. False: was refused before.
  bool Refuse(Failure why);
  bool refused() const { return static_cast<bool>(why_); }
  // Of Refuse or Fail.
  Failure why() const { return why_; }
  // The stream ended before the exchange was complete: drops what was received.
  void Fail(Failure why, ReceiveWindows& windows);
  // True once after Fail: the user must be told why() now.
  bool TakeFailure() { return state_.TakeReset(); }
  // There is no user any more: drops what was received, skips the block.
  void Discard(ReceiveWindows& windows);

 private:
  HeaderBlock block_;
  Buffer body_;
  http::HeaderMap* trailers_ = nullptr;
  size_t credit_ = 0;         // granted by the user and not used
  size_t window_growth_ = 0;  // beyond the initial size of the window
  Failure why_;
  uint32_t interim_responses_ = 0;
  ReceivingState state_;
};

}  // namespace tulle::http2
