// Lines of what is said about a request.
#pragma once

#include <string>

#include "control-plane/cli/ending.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

// "  name      text", wrapped to the terminal.
void PrintNamed(Session& session, size_t indent, const std::string& name, const std::string& text);
// What ended it, and what to do. `otherwise`: what is said if nothing did.
void PrintEnding(Session& session, const Ending& ending, const std::string& otherwise);

}  // namespace tulle::cli
