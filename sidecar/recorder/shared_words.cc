#include "sidecar/recorder/shared_words.h"

#include <algorithm>
#include <array>

namespace tulle::recorder {
namespace {

// The sequence, the time, the size of the text, the text.
constexpr size_t kTimeAt = 1;
constexpr size_t kSizeAt = 2;
constexpr size_t kTextAt = 3;
constexpr size_t kMostLabelWords = 64;

}  // namespace

bool CopyPlace(const uint64_t* place, std::span<uint64_t> to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] = LoadWord(place + i);
  return to[0] != 0 && to[0] % 2 == 0 && LoadWord(place) == to[0];
}

void StoreLabel(std::span<uint64_t> place, int64_t time, std::string_view text) {
  const uint64_t sequence = LoadWord(place.data()) | 1;
  text = text.substr(0, (place.size() - kTextAt) * sizeof(uint64_t));
  StoreWord(place.data(), sequence);
  StoreWord(&place[kTimeAt], static_cast<uint64_t>(time));
  StoreWord(&place[kSizeAt], text.size());
  if (!text.empty()) StoreText(&place[kTextAt], text.data(), text.size());
  StoreWord(place.data(), sequence + 1);
}

std::optional<Label> LoadLabel(std::span<const uint64_t> place) {
  std::array<uint64_t, kMostLabelWords> copy;
  const std::span<uint64_t> words(copy.data(), std::min(place.size(), kMostLabelWords));
  if (!CopyPlace(place.data(), words)) return {};
  const uint64_t size = words[kSizeAt];
  if (size > (words.size() - kTextAt) * sizeof(uint64_t)) return {};
  const auto* text = reinterpret_cast<const char*>(&words[kTextAt]);
  return Label{static_cast<int64_t>(words[kTimeAt]), std::string(text, size)};
}

}  // namespace tulle::recorder
