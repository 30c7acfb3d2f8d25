#pragma once

#include <cstddef>
#include <cstdint>

#include "net/base/buffer.h"
#include "net/base/failure.h"

namespace tulle::http1 {

// Decodes the chunked transfer coding (RFC 9112 7.1) up to the last chunk's line; the trailer
// section follows. Stricter than the RFC: at most 16 digits, no blank before an extension. Owner: a
// Parser. Pure.
class ChunkDecoder {
 public:
  enum class Status {
    kMore,       // `in` is used up
    kBlocked,    // `in` has more body than the credit allows
    kLastChunk,  // the trailers follow
    kFailed,
  };

  void Reset() { *this = ChunkDecoder(); }
  // Moves up to `credit` bytes of content to `out`.
  Status Decode(Buffer& in, Buffer& out, size_t credit, size_t extension_limit);
  Failure failure() const { return failure_; }

 private:
  enum class State : uint8_t { kFirstDigit, kDigits, kExtension, kSizeLf, kContent, kCr, kLf };
  // Processes one byte of a chunk's line or of the CRLF after its content; false: failed.
  bool Step(char c, size_t extension_limit);
  bool Fail(const char* detail);

  State state_ = State::kFirstDigit;
  uint8_t digits_ = 0;
  uint32_t extension_bytes_ = 0;  // of the whole message
  uint64_t left_ = 0;             // of the current chunk
  Failure failure_;
};

// Moves `count` bytes: large pieces by reference, small ones by copy, so that a body in tiny chunks
// does not keep a block alive for each.
void MoveContent(Buffer& in, Buffer& out, size_t count);

}  // namespace tulle::http1
