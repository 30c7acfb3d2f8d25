// The label values of a series.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::telemetry {

// Immutable, and one block of memory however often it is copied: rows with the same labels in
// several families share it, and so do scrapes. Any thread.
class LabelValues {
 public:
  static constexpr size_t kLongest = 256;  // longer values are cut

  LabelValues() = default;
  // An empty value becomes "unknown". Zero bytes become spaces.
  explicit LabelValues(std::span<const std::string_view> values);
  // Of a row for what finds no room: "other" each.
  static LabelValues Other(size_t count);

  size_t size() const { return block_ == nullptr ? 0 : block_->ends.size(); }
  std::string_view operator[](size_t i) const;
  // All values, each with a zero byte at its end: equal and ordered as the values are.
  std::string_view text() const { return block_ == nullptr ? std::string_view() : block_->text; }
  // Of heap memory, once for all copies.
  size_t bytes() const;

  bool operator==(const LabelValues& other) const {
    return block_ == other.block_ || text() == other.text();
  }
  bool operator<(const LabelValues& other) const {
    return block_ != other.block_ && text() < other.text();
  }

 private:
  struct Block {
    std::string text;
    std::vector<uint16_t> ends;  // of each value in the text
  };
  std::shared_ptr<const Block> block_;  // null: no labels
};

}  // namespace tulle::telemetry
