#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/loop/loop.h"

namespace tulle::sim {

// What happened, in order: a running hash, and the text if requested. Two runs of one seed must
// have equal traces; otherwise something depends on more than the seed.
class Trace {
 public:
  // `what` is a literal. `where` numbers a loop or host, `amount` is a count of bytes or the like.
  void Record(loop::Instant when, std::string_view what, uint64_t where, uint64_t amount);
  // The contents of a segment, for runs that must match byte for byte.
  void RecordContents(std::string_view bytes);

  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }
  void KeepText() { keep_text_ = true; }
  const std::string& text() const { return text_; }

 private:
  void Mix(uint64_t value);
  void MixBytes(std::string_view bytes);

  uint64_t hash_ = 0x243f6a8885a308d3;
  uint64_t events_ = 0;
  bool keep_text_ = false;
  std::string text_;
};

}  // namespace tulle::sim
