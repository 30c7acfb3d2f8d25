// Splits the body of a watch into events: one JSON object per line. A line that is longer than the
// limit is not kept. Pure. Owner: Reflector.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tulle::k8s {

class EventLines {
 public:
  explicit EventLines(size_t longest) : longest_(longest) {}

  // Begins a new body: what was incomplete is dropped.
  void Reset();
  // Takes from the front of `bytes` up to the end of a line, which it returns: valid until the next
  // call. Nullopt: all bytes are taken and the line has not ended, or it was empty. Call until
  // `bytes` is empty.
  std::optional<std::string_view> Next(std::string_view* bytes);
  // The line that Next() has returned was longer than the limit: it is empty then.
  bool was_too_long() const { return was_too_long_; }

 private:
  const size_t longest_;
  std::string line_;
  bool is_complete_ = false;  // line_ was returned
  bool is_too_long_ = false;
  bool was_too_long_ = false;
};

}  // namespace tulle::k8s
