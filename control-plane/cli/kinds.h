// The kinds of policies as a person may write them on a command line. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::cli {

// "httproutes", "hr", "HTTPRoute" -> "HTTPRoute". Else a UserError that suggests a similar one.
absl::StatusOr<std::string> KindNamed(const std::string& word);
// "httproute/post"
std::string ShortName(const std::string& kind, const std::string& name);
// Words for completion: the kinds in lower case.
std::vector<std::string> KindWords();
// "httproutes (hr), resiliencepolicies (rp), ..."
std::string KindsHelp();
// For completion of `explain`: "resiliencepolicy.spec.timeouts" and all others.
std::vector<std::string> FieldPaths();

}  // namespace tulle::cli
