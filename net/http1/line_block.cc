#include "net/http1/line_block.h"

#include <algorithm>
#include <cstring>

#include "net/http1/grammar.h"

namespace tulle::http1 {

LineBlock::Line LineBlock::NextLine(std::string_view piece) {
  while (scanned_ < piece.size()) {
    if (after_cr_) {
      if (piece[scanned_] != '\n') return Line::kBadByte;
      ++scanned_;
      after_cr_ = false;
      line_was_empty_ = line_bytes_ == 0;
      line_bytes_ = 0;
      return Line::kEnd;
    }
    const size_t run = FindControl(piece.substr(scanned_));
    line_bytes_ += run;
    scanned_ += run;
    if (scanned_ == piece.size()) break;
    if (piece[scanned_] != '\r') return Line::kBadByte;
    after_cr_ = true;
    ++scanned_;
  }
  return Line::kMore;
}

void LineBlock::Gather(Arena& arena, std::string_view piece, size_t limit) {
  if (gathered_size_ + piece.size() > gathered_room_) {
    const size_t wanted =
        std::max({gathered_room_ * 2, gathered_size_ + piece.size(), size_t{512}});
    gathered_room_ = std::max(std::min(wanted, limit), gathered_size_ + piece.size());
    char* grown = static_cast<char*>(arena.Allocate(gathered_room_, 1));
    if (gathered_size_ > 0) std::memcpy(grown, gathered_, gathered_size_);
    gathered_ = grown;
  }
  std::memcpy(gathered_ + gathered_size_, piece.data(), piece.size());
  gathered_size_ += piece.size();
}

LineBlock::Status LineBlock::Read(Buffer& in, Arena& arena, size_t limit, bool tell_first_line) {
  while (!in.empty()) {
    const std::string_view piece = in.Front().substr(0, limit - gathered_size_);
    Line line = Line::kMore;
    while ((line = NextLine(piece)) == Line::kEnd) {
      const bool tell = tell_first_line && !first_line_told_;
      if (!tell && !line_was_empty_) continue;
      const std::string_view taken = piece.substr(0, scanned_);
      if (tell && gathered_size_ == 0) {
        first_line_told_ = true;
        text_ = taken;
        return Status::kFirstLine;
      }
      if (gathered_size_ == 0) {
        text_ = arena.Copy(taken);
        gathered_size_ = taken.size();
      } else {
        Gather(arena, taken, limit);
        text_ = {gathered_, gathered_size_};
      }
      in.Drain(scanned_);
      scanned_ = 0;
      if (!tell) return Status::kEnd;
      first_line_told_ = true;
      return Status::kFirstLine;
    }
    if (line == Line::kBadByte) return Status::kBadByte;
    if (gathered_size_ + piece.size() >= limit) return Status::kTooLarge;
    Gather(arena, piece, limit);
    in.Drain(piece.size());
    scanned_ = 0;
  }
  return Status::kMore;
}

}  // namespace tulle::http1
