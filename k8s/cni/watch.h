// Waits for changes of folders, and for the end of the process.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tulle::cni {

// Owner: main(). Blocks SIGTERM and SIGINT for the process. Thread: one.
class Watch {
 public:
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;

  absl::Status Add(const std::string& folder);
  // Until something has changed since the last call, or `seconds` have passed. False: the process
  // is to end.
  bool Wait(int seconds);
  // `seconds`, whatever changes. False: the process is to end.
  bool Pause(int seconds);
  // False: a folder was deleted; there may be a new one of its name.
  bool exists() const;

 private:
  std::vector<std::string> folders_;
  int changes_ = -1;
  int signals_ = -1;
};

}  // namespace tulle::cni
