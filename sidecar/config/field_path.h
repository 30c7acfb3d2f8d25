#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tulle::config {

// The position in a configuration: "listeners[0].filter_chains[1].filters[0]". Errors begin with
// it.
class FieldPath {
 public:
  explicit FieldPath(std::string_view root = "") : text_(root) {}

  FieldPath operator/(std::string_view field) const {
    return FieldPath(text_.empty() ? std::string(field) : text_ + "." + std::string(field));
  }
  FieldPath operator[](size_t index) const {
    return FieldPath(text_ + "[" + std::to_string(index) + "]");
  }
  FieldPath Key(std::string_view key) const {
    return FieldPath(text_ + "[\"" + std::string(key) + "\"]");
  }
  const std::string& text() const { return text_; }

  // kInvalidArgument: "PATH: what".
  absl::Status Error(std::string_view what) const {
    const std::string message =
        text_.empty() ? std::string(what) : text_ + ": " + std::string(what);
    return absl::InvalidArgumentError(message);
  }
  absl::Status Error(const absl::Status& status) const {
    return Error(std::string_view(status.message().data(), status.message().size()));
  }

 private:
  explicit FieldPath(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace tulle::config
