#include "control-plane/cli/selection.h"

#include "absl/strings/str_split.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

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
  if (kind.empty() || kind == "all" || kind == "policies") {
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
