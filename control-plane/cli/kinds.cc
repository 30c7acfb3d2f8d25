#include "control-plane/cli/kinds.h"

#include <cctype>

#include "control-plane/cli/user_error.h"
#include "control-plane/policy/kinds.h"
#include "net/usage/suggestion.h"

namespace tulle::cli {
namespace {

std::string Lower(std::string_view text) {
  std::string lower;
  for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

absl::StatusOr<std::string> KindNamed(const std::string& word) {
  std::optional<policy::Kind> kind = policy::ParseKind(word);
  for (const policy::KindEntry& each : policy::AllKinds()) {
    if (each.short_name == word) kind = each.kind;
  }
  if (kind) return std::string(policy::ToText(*kind));
  return UserError("unknown kind \"" + word + "\"",
                   usage::DidYouMean(word, KindWords(), "known kinds: " + KindsHelp()));
}

std::string ShortName(const std::string& kind, const std::string& name) {
  return Lower(kind) + "/" + name;
}

std::vector<std::string> KindWords() {
  std::vector<std::string> words;
  for (const policy::KindEntry& each : policy::AllKinds()) words.push_back(Lower(each.name));
  return words;
}

std::string KindsHelp() {
  std::string text;
  for (const policy::KindEntry& each : policy::AllKinds()) {
    text += (text.empty() ? "" : ", ") + std::string(each.plural) + " (" +
            std::string(each.short_name) + ")";
  }
  return text;
}

std::vector<std::string> FieldPaths() {
  std::vector<std::string> paths;
  const auto collect = [&](const auto& self, const policy::ObjectFields& fields,
                           const std::string& path) -> void {
    for (const policy::Field* field : fields.Supported()) {
      const std::string at = path + "." + std::string(field->name);
      paths.push_back(at);
      if (field->type.kind == policy::FieldKind::kObject) self(self, field->type.object(), at);
    }
  };
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    collect(collect, policy::DocumentFieldsOf(kind.kind), Lower(kind.name));
  }
  return paths;
}

}  // namespace tulle::cli
