// An error that a user can act on: what is wrong and what to do about it, both in one absl::Status.
// Statuses made elsewhere may be printed too; they have no hint. Pure; any thread.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tulle::cli {

absl::Status UserError(std::string_view error, std::string_view hint = "");
// The error without its hint.
std::string ErrorOf(const absl::Status& status);
// The hint alone; empty: there is none.
std::string HintOf(const absl::Status& status);
// "error: ...\nhint: ...\n". An error may have several lines (the problems of a file).
void PrintError(const absl::Status& status, bool has_colour, std::ostream& err);

}  // namespace tulle::cli
