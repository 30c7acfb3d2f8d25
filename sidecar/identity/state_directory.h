#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tulle::identity {

// The directory of a sidecar's state, created if it does not exist (0700), and locked: two
// processes that share a key and a registration would replace each other's. Owner:
// MeshConfiguration. Main thread; blocking, at startup.
class StateDirectory {
 public:
  // kUnavailable: it cannot be created or opened, or another process has locked it.
  static absl::StatusOr<StateDirectory> Hold(const std::string& path);
  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&& other) noexcept;
  ~StateDirectory();

 private:
  explicit StateDirectory(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;  // negative: moved from
};

}  // namespace tulle::identity
