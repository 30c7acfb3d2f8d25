// Lines of what is said about a request.
#pragma once

#include <string>

#include "control-plane/cli/ending.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

// As a word of a shell, in quotes if need be: workloads choose the IDs of requests.
std::string ShellWord(const std::string& text);
// "  name      text", wrapped to the terminal.
void PrintNamed(Session& session, size_t indent, const std::string& name, const std::string& text);
// What ended it, and what to do. `otherwise`: what is said if nothing did.
void PrintEnding(Session& session, const Ending& ending, const std::string& otherwise);

}  // namespace tulle::cli
