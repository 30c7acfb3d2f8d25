// The part of a hosts file that tullectl writes, between two marks. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::cli {

struct HostsLine {
  std::string address;
  std::vector<std::string> names;
};

// The lines between marks.
std::string HostsBlock(const std::vector<HostsLine>& lines);
// `text` with `block` in place of that part, or at the end. An empty block removes the part. A
// UserError if one of the marks is missing, since the lines after the other may not be ours.
absl::StatusOr<std::string> ReplaceHosts(std::string_view text, std::string_view block);

}  // namespace tulle::cli
