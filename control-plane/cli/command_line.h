// Parses arguments to an Invocation, or to the text to show instead: help or an error. Pure.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/invocation.h"

namespace tulle::cli {

struct HelpText {
  std::string text;
};

// `arguments` without the program's name.
std::variant<Invocation, HelpText, absl::Status> ParseCommandLine(
    const std::vector<std::string>& arguments);

// For completion.
Vocabulary VocabularyOfCommands();

}  // namespace tulle::cli
