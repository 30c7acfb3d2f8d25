// Why a stream has ended, as its user is told, and the error code by which we end one. Source: RFC
// 9113 5.4.2, 7. Pure functions.
#pragma once

#include <cstdint>

#include "net/base/failure.h"

namespace tulle::http2 {

// What is known of a stream when it has ended early.
struct EndedStream {
  bool server = false;         // ours is the server's side
  bool head_received = false;  // the final head of the peer's message
  bool reset_by_peer = false;
  Failure refused{};  // the reason if we have refused the peer's message
};

// nghttp2 has closed the stream with `error_code` before it was complete. `goaway`: the peer has
// sent GOAWAY.
Failure CloseReason(const EndedStream& stream, uint32_t error_code, bool goaway);
// Its connection was lost because of `why`. `written`: bytes of its request that were written.
Failure LossReason(const EndedStream& stream, uint64_t written, Failure why);
// The code of the RST_STREAM for a stream that its user resets.
uint32_t ResetCode(FailureKind kind);

}  // namespace tulle::http2
