// The command line of a program without subcommands, in the style of tullectl: help, version and
// errors look alike in all of Tulle's programs.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>

#include "absl/status/status.h"

namespace tulle::usage {

// Call before options are added. `name`: of the program.
void Describe(CLI::App& app, const char* name);

// Parses, then calls `check`, whose error is invalid usage too. Nullopt: go on. Otherwise the exit
// code, after help or version went to stdout, or "error: ... hint: ..." to stderr.
std::optional<int> Parse(CLI::App& app, int argc, char** argv, int code_for_invalid_usage,
                         const std::function<absl::Status()>& check);

}  // namespace tulle::usage
