// Completion of commands, options and kinds for shells. Pure.
#pragma once

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
