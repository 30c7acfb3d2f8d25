#include "k8s/api/event_lines.h"

#include <utility>

namespace tulle::k8s {

void EventLines::Reset() {
  line_.clear();
  is_complete_ = is_too_long_ = was_too_long_ = false;
}

std::optional<std::string_view> EventLines::Next(std::string_view* bytes) {
  if (std::exchange(is_complete_, false)) line_.clear();
  was_too_long_ = false;
  const size_t end = bytes->find('\n');
  const std::string_view piece = bytes->substr(0, end);
  bytes->remove_prefix(end == std::string_view::npos ? bytes->size() : end + 1);
  is_too_long_ |= line_.size() + piece.size() > longest_;
  if (is_too_long_) {
    line_.clear();
    line_.shrink_to_fit();
  } else {
    line_.append(piece);
  }
  if (end == std::string_view::npos) return std::nullopt;
  was_too_long_ = std::exchange(is_too_long_, false);
  if (line_.empty() && !was_too_long_) return std::nullopt;
  is_complete_ = true;
  return line_;
}

}  // namespace tulle::k8s
