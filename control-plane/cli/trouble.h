// What went wrong and what to do about it, both carried by one absl::Status. Statuses made
// elsewhere may be printed too: they have no hint. Pure; any thread.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tulle::cli {

absl::Status Trouble(std::string_view error, std::string_view hint = "");
// Its error without the hint.
std::string ErrorOf(const absl::Status& trouble);
// "error: ...\nhint: ...\n"; an error of several lines (the problems of a file) is printed as it
// is.
void PrintTrouble(const absl::Status& trouble, bool has_colour, std::ostream& err);

}  // namespace tulle::cli
