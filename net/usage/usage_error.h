// CLI11's parse errors in the words of Tulle's programs, with what to do about them. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::usage {

struct UsageError {
  std::string error;
  std::string hint;
};

// The long options of `app` and its parents, with their dashes.
std::vector<std::string> NamesOfOptions(const CLI::App& app);

UsageError UnknownOption(const CLI::App& command, const std::string& name, const std::string& see);

// `command`: the one that was being parsed. `rest`: the arguments that the parser could not assign
// (App::remaining). `see`: where the help is.
UsageError Explain(const CLI::App& command, const std::vector<std::string>& rest,
                   const CLI::ParseError& error, const std::string& see);

// Validators, instead of CLI11's, which name neither the value nor what it is.
CLI::Validator Number(const char* what, int64_t least, int64_t most);
CLI::Validator Port(int64_t least = 1);
CLI::Validator OneOf(std::vector<std::string> words);
CLI::Validator ReadableFile();

}  // namespace tulle::usage
