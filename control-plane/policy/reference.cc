#include "control-plane/policy/reference.h"

#include <algorithm>

#include "control-plane/policy/kinds.h"

namespace tulle::policy {
namespace {

constexpr std::string_view kEnd = "<!-- end of fields -->";

// The same in all kinds: the page describes its fields once.
constexpr std::string_view kTargetRef = "targetRef";

void AddRows(const ObjectFields& fields, const std::string& path, std::string* table) {
  for (const Field* field : fields.Supported()) {
    const bool is_target = field->name == kTargetRef;
    const std::string at = path + std::string(field->name) + (field->type.is_list ? "[]" : "");
    const FieldType& shown = is_target ? field->type.object().Find("kind")->type : field->type;
    *table += "| `" + at + "` | " + TypeText(shown) + " | " + std::string(field->default_text) +
              " | " + DescriptionOf(*field) + " |\n";
    if (field->type.kind == FieldKind::kObject && !is_target) {
      AddRows(field->type.object(), at + ".", table);
    }
  }
}

}  // namespace

std::string ReferenceOf(Kind kind) {
  std::string table = "| field | type | default | description |\n|---|---|---|---|\n";
  AddRows(EntryOf(kind).fields(), "", &table);
  return table;
}

std::string WithReferences(std::string_view page, std::vector<std::string_view>* missing) {
  std::string text(page);
  for (const KindEntry& kind : AllKinds()) {
    const std::string begin = "<!-- fields of " + std::string(kind.name) + " -->\n";
    const size_t from = text.find(begin);
    const size_t to = text.find(kEnd, from);
    if (from == std::string::npos || to == std::string::npos) {
      missing->push_back(kind.name);
      continue;
    }
    text.replace(from + begin.size(), to - from - begin.size(), ReferenceOf(kind.kind));
  }
  return text;
}

}  // namespace tulle::policy
