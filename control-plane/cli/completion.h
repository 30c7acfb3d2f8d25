// Completion of commands, options and kinds for shells. Pure.
#ifndef TULLE_CONTROL_PLANE_CLI_COMPLETION_H_
#define TULLE_CONTROL_PLANE_CLI_COMPLETION_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tulle::cli {

struct Vocabulary {
  // What may follow each chain of commands ("", "get", "token create").
  std::map<std::string, std::vector<std::string>> words;
  std::map<std::string, std::vector<std::string>> formats;  // of -o, for each chain that has it
  std::set<std::string> valued;                             // options with a value: "-n", "--out"
};

// `shell`: bash, zsh or fish.
std::string CompletionScript(const std::string& shell, const Vocabulary& vocabulary);

}  // namespace tulle::cli

#endif  // TULLE_CONTROL_PLANE_CLI_COMPLETION_H_
