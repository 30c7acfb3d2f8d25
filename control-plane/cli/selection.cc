#include "control-plane/cli/selection.h"

#include "absl/strings/str_split.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/policy/kinds.h"

namespace tulle::cli {
namespace {

// As in the definitions of custom resources.
constexpr char kTulleCategory[] = "tulle";

absl::StatusOr<Selected> ReadKindAndName(const std::string& word) {
  const size_t slash = word.find('/');
  if (slash == std::string::npos || slash + 1 == word.size()) {
    return UserError("expected KIND/NAME instead of \"" + word + "\"",
                     "use either KIND NAME... or KIND/NAME...");
  }
  const auto kind = KindNamed(word.substr(0, slash));
  if (!kind.ok()) return kind.status();
  return Selected{*kind, word.substr(slash + 1)};
}

std::vector<Selected> OwnKinds() {
  std::vector<Selected> kinds;
  for (const policy::KindEntry& each : policy::AllKinds()) {
    if (each.api_version == policy::kTulleApiVersion)
      kinds.push_back({std::string(each.name), "", /*is_of_category=*/true});
  }
  return kinds;
}

}  // namespace

absl::StatusOr<std::vector<Selected>> ReadSelection(const std::string& kind,
                                                    const std::vector<std::string>& names) {
  std::vector<Selected> selection;
  if (kind.find('/') != std::string::npos) {
    std::vector<std::string> words = {kind};
    words.insert(words.end(), names.begin(), names.end());
    for (const std::string& word : words) {
      auto selected = ReadKindAndName(word);
      if (!selected.ok()) return selected.status();
      selection.push_back(*std::move(selected));
    }
    return selection;
  }
  const bool is_category = kind == kTulleCategory;
  if (is_category && names.empty()) return OwnKinds();
  if (kind.empty() || kind == "all" || kind == "policies" || is_category) {
    if (names.empty()) return std::vector<Selected>{{"", ""}};
    return UserError("the kind of \"" + names[0] + "\" is required",
                     "use KIND " + names[0] + " or KIND/" + names[0]);
  }
  for (const absl::string_view word : absl::StrSplit(kind, ',')) {
    const auto known = KindNamed(std::string(word));
    if (!known.ok()) return known.status();
    if (names.empty()) selection.push_back({*known, ""});
    for (const std::string& name : names) selection.push_back({*known, name});
  }
  return selection;
}

}  // namespace tulle::cli
