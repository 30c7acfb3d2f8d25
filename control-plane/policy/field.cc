#include "control-plane/policy/field.h"

#include <algorithm>

#include "control-plane/policy/names.h"

namespace tulle::policy {
namespace {

std::string ChoicesText(const std::vector<std::string_view>& choices) {
  std::string text;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) text += i + 1 == choices.size() ? " or " : ", ";
    text += choices[i];
  }
  return text;
}

std::string ElementText(const FieldType& type) {
  switch (type.kind) {
    case FieldKind::kText:
      if (!type.choices.empty()) return ChoicesText(type.choices);
      return type.format.empty() ? "text" : std::string(type.format);
    case FieldKind::kInteger:
      return "number, " + std::to_string(type.min) + " to " + std::to_string(type.max);
    case FieldKind::kPercent:
      return "percentage, 0 to 100";
    case FieldKind::kBoolean:
      return "true or false";
    case FieldKind::kDuration:
      if (type.min_duration.count() == 0) return "duration";
      return type.min_duration.count() == 1
                 ? "duration, not 0s"
                 : "duration, at least " + FormatDuration(type.min_duration);
    case FieldKind::kTextMap:
      return "map of text";
    case FieldKind::kObject:
      return "object";
    case FieldKind::kUnsupported:
      break;
  }
  return "unsupported";
}

// "host names", "identities", "numbers, 400 to 599"
std::string PluralText(const FieldType& type) {
  std::string text = ElementText(type);
  if (!type.choices.empty()) return text;
  const size_t end = std::min(text.find(','), text.size());
  if (text[end - 1] == 'y') return text.replace(end - 1, 1, "ies");
  return text.insert(end, text[end - 1] == 's' ? "es" : "s");
}

}  // namespace

std::vector<const Field*> ObjectFields::Supported() const {
  std::vector<const Field*> found;
  for (const Field& field : fields_) {
    if (field.type.kind != FieldKind::kUnsupported) found.push_back(&field);
  }
  return found;
}

const Field* ObjectFields::Find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::string DescriptionOf(const Field& field) {
  std::string text(field.description);
  if (field.effect == Effect::kRequests) text += " No effect on tcp ports.";
  return text;
}

std::string TypeText(const FieldType& type) {
  if (!type.is_list) return ElementText(type);
  return "list of " + PluralText(type) + "; at most " + std::to_string(type.max_items) +
         " elements";
}

}  // namespace tulle::policy
