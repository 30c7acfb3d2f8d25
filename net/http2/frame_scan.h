// Finds the DATA frames in the input of a session. nghttp2 ignores those of streams that it has
// forgotten, without a callback; some of them are errors of the connection. Source: RFC 9113 4.1.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tulle::http2 {

// Pure. Owner: a session. Thread: the session's. For each piece of the input, in order: Begin, then
// Next until it returns false or the rest of the piece is left for the next.
class FrameScan {
 public:
  static constexpr size_t kHead = 9;

  // `preface`: the input begins with a client's preface.
  explicit FrameScan(bool preface) : left_(preface ? 24 : 0) {}

  void Begin() { after_reset_ = false; }
  // Reads on from piece[at]. True: the head of a DATA frame ends at the new `at`. False: the piece
  // is read.
  bool Next(std::string_view piece, size_t& at) {
    while (at < piece.size()) {
      if (left_ > 0) {
        const size_t skipped = std::min(left_, piece.size() - at);
        left_ -= skipped;
        at += skipped;
      } else if (have_ == 0 && piece.size() - at >= kHead) {
        at += kHead;
        if (Read(piece.data() + at - kHead)) return true;
      } else {
        head_[have_++] = piece[at++];
        if (have_ < kHead) continue;
        have_ = 0;
        if (Read(head_.data())) return true;
      }
    }
    return false;
  }
  // Of the latest DATA frame.
  int32_t stream() const { return stream_; }
  bool ends_stream() const { return ends_stream_; }
  // An RST_STREAM came before it in this piece.
  bool after_reset() const { return after_reset_; }

 private:
  static constexpr uint32_t kData = 0;
  static constexpr uint32_t kRstStream = 3;
  bool Read(const char* head) {
    const auto byte = [head](int i) -> uint32_t { return static_cast<uint8_t>(head[i]); };
    left_ = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (byte(3) == kRstStream) after_reset_ = true;
    if (byte(3) != kData) return false;
    ends_stream_ = (byte(4) & 1) != 0;
    stream_ = static_cast<int32_t>((byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
    return true;
  }

  size_t left_;      // of the preface, or of a frame's payload
  size_t have_ = 0;  // bytes of a head that is cut by the end of a piece
  std::array<char, kHead> head_{};
  int32_t stream_ = 0;
  bool ends_stream_ = false;
  bool after_reset_ = false;
};

}  // namespace tulle::http2
