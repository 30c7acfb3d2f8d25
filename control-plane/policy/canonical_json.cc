#include "control-plane/policy/canonical_json.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "control-plane/policy/kinds.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

// References are written with their namespace, which is left out where it is the policy's own.
void DropNamespace(const std::string& own, Json* json) {
  if (!json->is_structured()) return;
  if (json->is_object()) {
    const auto ns = json->find("namespace");
    if (ns != json->end() && *ns == own) json->erase(ns);
  }
  for (Json& value : *json) DropNamespace(own, &value);
}

Json DocumentJson(const Document& document) {
  const KindEntry& kind = EntryOf(document.key.kind);
  Json spec = kind.write(document.spec);
  DropNamespace(document.key.ns, &spec);
  return {{"apiVersion", std::string(kind.api_version)},
          {"kind", std::string(kind.name)},
          {"metadata", MetadataFields().Write(document)},
          {"spec", std::move(spec)}};
}

void EmitText(YAML::Emitter* out, const std::string& text) {
  // Quoted where YAML would read another type.
  const bool is_plain =
      !text.empty() && text.find_first_of(" \t:#{}[],&*!|>'\"%@`") == std::string::npos &&
      (std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '/') &&
      text != "true" && text != "false" && text != "null" && text != "yes" && text != "no" &&
      text != "on" && text != "off";
  if (!is_plain) *out << YAML::DoubleQuoted;
  *out << text;
}

void Emit(YAML::Emitter* out, const Json& json) {
  if (json.is_object()) {
    if (json.empty()) *out << YAML::Flow;
    *out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      *out << YAML::Key << key << YAML::Value;
      Emit(out, value);
    }
    *out << YAML::EndMap;
  } else if (json.is_array()) {
    *out << YAML::BeginSeq;
    for (const Json& value : json) Emit(out, value);
    *out << YAML::EndSeq;
  } else if (json.is_string()) {
    EmitText(out, json.get<std::string>());
  } else if (json.is_number_float() || json.is_boolean()) {
    *out << json.dump();
  } else {
    *out << json.get<int64_t>();
  }
}

}  // namespace

std::string ToJson(const Document& document) {
  return DocumentJson(document).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToYaml(const Document& document) {
  YAML::Emitter out;
  Emit(&out, DocumentJson(document));
  return std::string(out.c_str()) + "\n";
}

}  // namespace tulle::policy
