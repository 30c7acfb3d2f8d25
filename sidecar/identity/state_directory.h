#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tulle::identity {

// The directory that a sidecar keeps its state in, made if it is not there (0700), and held against
// any other process: two that share key and place in the registry would take turns at both. Owner:
// Process. Main thread; blocking, at the start.
class StateDirectory {
 public:
  // kUnavailable, with the way out: it cannot be made, or another process holds it.
  static absl::StatusOr<StateDirectory> Hold(const std::string& path);
  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&& other) noexcept;
  ~StateDirectory();

 private:
  explicit StateDirectory(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;  // negative: moved from
};

}  // namespace tulle::identity
