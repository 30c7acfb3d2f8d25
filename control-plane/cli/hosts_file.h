// The part of a hosts file that is ours: between two marks, whatever else the file holds. Pure.
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
// `text` with `block` in place of ours, at the end if there is none; an empty block takes ours out.
// A Trouble for marks without their other half: what stands after is somebody's.
absl::StatusOr<std::string> ReplaceHosts(std::string_view text, std::string_view block);

}  // namespace tulle::cli
