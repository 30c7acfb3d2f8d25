#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// What tells requests apart, on the stack: numbers, then texts, each with a zero byte at its end.
template <size_t kSize>
class CellKey {
 public:
  void Add(uint64_t number) {
    whole_ = whole_ && bytes_.size() - size_ > sizeof(number);
    if (!whole_) return;
    std::memcpy(bytes_.data() + size_, &number, sizeof(number));
    size_ += sizeof(number);
  }
  void Add(std::string_view text) {
    whole_ = whole_ && text.size() < bytes_.size() - size_;
    if (!whole_) return;
    if (!text.empty()) std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
    bytes_[size_++] = '\0';  // no text contains one
  }
  // False: it did not fit.
  bool whole() const { return whole_; }
  absl::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kSize> bytes_;
  size_t size_ = 0;
  bool whole_ = true;
};

// The cells of a worker's registry by key, found without a lock or an allocation. One owner has a
// share of the keys, so that a peer who is different each time takes no room of others.
// Owner: RequestTelemetry. Thread: the worker's.
template <typename Cells>
class CellCache {
 public:
  // Several keys may have the same row: methods are no labels of Istio's metrics.
  static constexpr size_t kMostKeys = 4 * telemetry::Registry::kRowsPerFamily;
  static constexpr size_t kMostOfOwner = kMostKeys / telemetry::Registry::kOwnersInBudget;

  // Null: it is not known.
  const Cells* Find(absl::string_view key) const {
    const auto found = cells_.find(key);
    return found == cells_.end() ? nullptr : &found->second;
  }
  bool HasRoomFor(absl::string_view owner) const {
    if (cells_.size() >= kMostKeys) return false;
    const auto share = keys_of_.find(owner);
    return share == keys_of_.end() || share->second < kMostOfOwner;
  }
  void Add(absl::string_view key, absl::string_view owner, const Cells& cells) {
    cells_.emplace(std::string(key), cells);
    ++keys_of_[owner];
  }
  void Clear() {
    cells_.clear();
    keys_of_.clear();
  }

 private:
  absl::flat_hash_map<std::string, Cells> cells_;
  absl::flat_hash_map<std::string, size_t> keys_of_;
};

}  // namespace tulle::proxy
