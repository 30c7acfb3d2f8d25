#include "telemetry/label_values.h"

#include <algorithm>
#include <utility>

namespace tulle::telemetry {

LabelValues::LabelValues(std::span<const std::string_view> values) {
  if (values.empty()) return;
  constexpr std::string_view kUnknown = "unknown";
  Block block;
  size_t size = 0;
  for (const std::string_view value : values) {
    size += 1 + (value.empty() ? kUnknown.size() : std::min(value.size(), kLongest));
  }
  block.text.reserve(size);
  block.ends.reserve(values.size());
  for (const std::string_view value : values) {
    const size_t begin = block.text.size();
    block.text += value.empty() ? kUnknown : value.substr(0, kLongest);
    std::replace(block.text.begin() + static_cast<std::ptrdiff_t>(begin), block.text.end(), '\0',
                 ' ');
    block.ends.push_back(static_cast<uint16_t>(block.text.size()));
    block.text += '\0';
  }
  block_ = std::make_shared<const Block>(std::move(block));
}

LabelValues LabelValues::Other(size_t count) {
  return LabelValues(std::vector<std::string_view>(count, "other"));
}

std::string_view LabelValues::operator[](size_t i) const {
  const size_t begin = i == 0 ? 0 : block_->ends[i - 1] + 1U;
  return std::string_view(block_->text).substr(begin, block_->ends[i] - begin);
}

size_t LabelValues::bytes() const {
  if (block_ == nullptr) return 0;
  return sizeof(Block) + block_->text.capacity() + block_->ends.capacity() * sizeof(uint16_t);
}

}  // namespace tulle::telemetry
