// Completion of commands, options and kinds for shells. Pure.
#ifndef TULLE_CONTROL_PLANE_CLI_COMPLETION_H_
#define TULLE_CONTROL_PLANE_CLI_COMPLETION_H_

#include <map>
#include <string>
#include <vector>

namespace tulle::cli {

// `shell`: bash, zsh or fish. `words`: WordsOfCommands().
std::string CompletionScript(const std::string& shell,
                             const std::map<std::string, std::vector<std::string>>& words);

}  // namespace tulle::cli

#endif  // TULLE_CONTROL_PLANE_CLI_COMPLETION_H_
