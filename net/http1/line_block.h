#pragma once

#include <cstddef>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/buffer.h"

namespace tulle::http1 {

// Collects lines up to and with the empty one (a head, or trailers) from a stream of bytes, each
// byte looked at once however small the pieces are. When all of it lies in one piece, which is the
// usual case, it is copied once, to the arena; else it gathers there.
//
// Only CRLF ends a line; any other control byte but HT is kBadByte, told as soon as it is seen.
// Owner: a Parser. Pure.
class LineBlock {
 public:
  enum class Status { kMore, kFirstLine, kEnd, kBadByte, kTooLarge };

  void Reset() { *this = LineBlock(); }
  // Reads on; answers kFirstLine once, then in the end kEnd (both: also if the line is empty, where
  // kFirstLine is left out if `tell_first_line` is not set). `in` is drained of what was taken;
  // between kFirstLine and the next call it must not be touched. `limit`: bytes in all.
  Status Read(Buffer& in, Arena& arena, size_t limit, bool tell_first_line);
  // After kFirstLine: that line, with CRLF, valid until the next call. After kEnd: everything, with
  // the empty line, in the arena.
  std::string_view text() const { return text_; }
  size_t size() const { return gathered_size_; }

 private:
  enum class Line { kMore, kEnd, kBadByte };
  Line NextLine(std::string_view piece);
  void Gather(Arena& arena, std::string_view piece, size_t limit);

  std::string_view text_;
  char* gathered_ = nullptr;  // what came in earlier pieces
  size_t gathered_size_ = 0;
  size_t gathered_room_ = 0;
  size_t scanned_ = 0;     // of the buffer's front piece
  size_t line_bytes_ = 0;  // of the current line, without CR
  bool line_was_empty_ = false;
  bool after_cr_ = false;
  bool first_line_told_ = false;
};

}  // namespace tulle::http1
