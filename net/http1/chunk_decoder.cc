// The state machine of the chunked transfer coding.
#include "net/http1/chunk_decoder.h"

#include <algorithm>
#include <limits>

#include "net/http1/grammar.h"

namespace tulle::http1 {
namespace {

constexpr size_t kCopyBelow = 512;
constexpr uint8_t kMaxDigits = 16;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void MoveContent(Buffer& in, Buffer& out, size_t count) {
  while (count > 0) {
    const std::string_view piece = in.Front().substr(0, count);
    if (piece.size() < kCopyBelow) {
      out.Append(piece);
      in.Drain(piece.size());
    } else {
      out.AppendFront(in, piece.size());
    }
    count -= piece.size();
  }
}

bool ChunkDecoder::Fail(const char* detail) {
  failure_ = {FailureKind::kBadRequest, detail};
  return false;
}

bool ChunkDecoder::Step(char c, size_t extension_limit) {
  switch (state_) {
    case State::kFirstDigit:
    case State::kDigits: {
      const int digit = HexDigit(c);
      if (digit >= 0) {
        if (++digits_ > kMaxDigits) return Fail("chunk size too long");
        left_ = left_ * 16 + digit;
        if (left_ > std::numeric_limits<int64_t>::max()) return Fail("chunk size too large");
        state_ = State::kDigits;
        return true;
      }
      if (state_ == State::kFirstDigit || (c != ';' && c != '\r')) {
        return Fail("invalid chunk size");
      }
      if (c == '\r') {
        state_ = State::kSizeLf;
        return true;
      }
      state_ = State::kExtension;
      [[fallthrough]];
    }
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return true;
      }
      if (!Is(c, kField)) return Fail("a chunk extension has a control character");
      if (++extension_bytes_ > extension_limit) return Fail("chunk extensions are too long");
      return true;
    case State::kSizeLf:
      if (c != '\n') return Fail("a chunk size is not followed by CRLF");
      state_ = State::kContent;
      return true;
    case State::kCr:
      if (c != '\r') return Fail("a chunk is not followed by CRLF");
      state_ = State::kLf;
      return true;
    case State::kLf:
      if (c != '\n') return Fail("a chunk is not followed by CRLF");
      state_ = State::kFirstDigit;
      digits_ = 0;
      return true;
    case State::kContent:
      break;
  }
  return false;
}

ChunkDecoder::Status ChunkDecoder::Decode(Buffer& in, Buffer& out, size_t credit,
                                          size_t extension_limit) {
  if (failure_) return Status::kFailed;
  while (!in.empty()) {
    if (state_ == State::kContent) {
      const size_t ready = std::min<uint64_t>(left_, in.size());
      const size_t count = std::min(ready, credit);
      MoveContent(in, out, count);
      credit -= count;
      left_ -= count;
      if (left_ == 0) {
        state_ = State::kCr;
      } else if (count < ready) {
        return Status::kBlocked;
      }
      continue;
    }
    const std::string_view piece = in.Front();
    size_t at = 0;
    bool good = true;
    while (good && at < piece.size() && state_ != State::kContent) {
      good = Step(piece[at++], extension_limit);
    }
    in.Drain(at);
    if (!good) return Status::kFailed;
    if (state_ == State::kContent && left_ == 0) return Status::kLastChunk;
  }
  return Status::kMore;
}

}  // namespace tulle::http1
