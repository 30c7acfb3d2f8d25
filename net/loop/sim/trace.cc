#include "net/loop/sim/trace.h"

#include <cstring>

namespace tulle::sim {

void Trace::Mix(uint64_t value) {
  uint64_t z = hash_ ^ (value + 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  hash_ = z ^ (z >> 31);
}

void Trace::MixBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t count = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(&word, bytes.data(), count);
    Mix(word);
    bytes.remove_prefix(count);
  }
}

void Trace::Record(loop::Instant when, std::string_view what, uint64_t where, uint64_t amount) {
  ++events_;
  const auto nanoseconds = static_cast<uint64_t>(when.time_since_epoch().count());
  Mix(nanoseconds);
  MixBytes(what);
  Mix(where);
  Mix(amount);
  if (!keep_text_) return;
  text_ += std::to_string(nanoseconds) + ' ' + std::to_string(where) + ' ';
  text_ += what;
  text_ += ' ' + std::to_string(amount) + '\n';
}

void Trace::RecordContents(std::string_view bytes) { MixBytes(bytes); }

}  // namespace tulle::sim
