// Lines of what is said about a request.
#pragma once

#include <string>

#include "control-plane/cli/session.h"
#include "control-plane/diagnosis/verdict.h"

namespace tulle::cli {

// As a word of a shell, in quotes if need be: workloads choose the IDs of requests.
std::string ShellWord(const std::string& text);
// "  name      text", wrapped to the terminal.
void PrintNamed(Session& session, size_t indent, const std::string& name, const std::string& text);
// `result` (what ended it), and what to do.
void PrintVerdict(Session& session, const diagnosis::Verdict& verdict, const std::string& result);

}  // namespace tulle::cli
