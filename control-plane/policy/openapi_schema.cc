#include "control-plane/policy/openapi_schema.h"

#include <string>

#include "control-plane/policy/kinds.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

Json SchemaOfFields(const ObjectFields& fields);

Json SchemaOfElement(const FieldType& type) {
  switch (type.kind) {
    case FieldKind::kInteger:
      return {{"type", "integer"}, {"minimum", type.min}, {"maximum", type.max}};
    case FieldKind::kPercent:
      return {{"type", "number"}, {"minimum", 0}, {"maximum", 100}};
    case FieldKind::kBoolean:
      return {{"type", "boolean"}};
    case FieldKind::kDuration:
      // 28: four parts of up to seven characters.
      return {{"type", "string"}, {"maxLength", 28}, {"pattern", "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}};
    case FieldKind::kTextMap:
      return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    case FieldKind::kObject:
      return SchemaOfFields(type.object());
    case FieldKind::kText:
    case FieldKind::kUnsupported:
      break;
  }
  Json text = {{"type", "string"}};
  for (const std::string_view choice : type.choices) text["enum"].push_back(std::string(choice));
  return text;
}

std::string DescriptionWithDefault(const Field& field) {
  const std::string text = DescriptionOf(field);
  if (field.is_required() || field.default_text.empty()) return text;
  return text + " Default: " + std::string(field.default_text) + ".";
}

Json SchemaOfFields(const ObjectFields& fields) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}};
  for (const Field* field : fields.Supported()) {
    Json value = SchemaOfElement(field->type);
    if (field->type.is_list) {
      value = {{"type", "array"}, {"maxItems", field->type.max_items}, {"items", std::move(value)}};
    }
    // An empty text or list is no value for a required field.
    if (field->is_required() && value["type"] == "array") value["minItems"] = 1;
    if (field->is_required() && value["type"] == "string") value["minLength"] = 1;
    value["description"] = DescriptionWithDefault(*field);
    schema["properties"][std::string(field->name)] = std::move(value);
    if (field->is_required()) schema["required"].push_back(std::string(field->name));
  }
  for (const FieldRule& rule : fields.rules()) {
    schema["x-kubernetes-validations"].push_back(
        {{"rule", std::string(rule.expression)}, {"message", std::string(rule.message)}});
  }
  return schema;
}

}  // namespace

Json OpenApiSchemaOf(Kind kind) {
  Json schema = SchemaOfFields(DocumentFieldsOf(kind));
  schema["description"] = std::string(EntryOf(kind).summary) + ".";
  return schema;
}

}  // namespace tulle::policy
