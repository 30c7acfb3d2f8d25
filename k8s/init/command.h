// Runs a program to its end. Blocking; only for programs that exit quickly. Thread: any.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::init {

struct CommandResult {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// kNotFound: no such program in PATH or the system's folders.
absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv,
                                         const std::string& input = "");

}  // namespace tulle::init
