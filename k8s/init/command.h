// Runs a program to its end. Blocking; only for programs that end at once. Thread: any.
#ifndef TULLE_K8S_INIT_COMMAND_H_
#define TULLE_K8S_INIT_COMMAND_H_

#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace tulle::init {

struct CommandResult {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// kNotFound: there is no such program in PATH or the system's folders.
absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv,
                                         const std::string& input = "");

}  // namespace tulle::init

#endif  // TULLE_K8S_INIT_COMMAND_H_
