#include "control-plane/cli/json_text.h"

#include <cctype>

#include "net/usage/unsafe_text.h"

namespace tulle::cli {
namespace {

std::string Dump(const Json& json, int indent = -1) {
  return usage::WithEscapes(json.dump(indent, ' ', false, Json::error_handler_t::replace));
}

bool IsPlain(const std::string& text) {
  for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (text == word) return false;
  }
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  for (const char c : text) {
    const bool is_safe = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                         c == '.' || c == '/';
    if (!is_safe) return false;
  }
  for (const char* word : {"True", "False", "Null", "Yes", "No", "On", "Off", "Y", "N", "TRUE",
                           "FALSE", "NULL", "YES", "NO", "ON", "OFF"}) {
    if (text == word) return false;
  }
  return true;
}

// A JSON string is a YAML string too.
std::string ScalarText(const Json& json) {
  return json.is_string() && IsPlain(json.get_ref<const std::string&>()) ? json.get<std::string>()
                                                                         : Dump(json);
}

bool IsBlock(const Json& json) { return json.is_structured() && !json.empty(); }

void Write(const Json& json, const std::string& indent, std::string* yaml);

void WriteMap(const Json& json, const std::string& indent, std::string* yaml) {
  bool is_first = true;  // stands where the caller left off
  for (const auto& [key, value] : json.items()) {
    if (!std::exchange(is_first, false)) *yaml += indent;
    *yaml += ScalarText(key) + ":";
    if (!IsBlock(value)) {
      *yaml += " " + ScalarText(value) + "\n";
    } else {
      const std::string inner = value.is_object() ? indent + "  " : indent;
      *yaml += "\n" + inner;
      Write(value, inner, yaml);
    }
  }
}

void Write(const Json& json, const std::string& indent, std::string* yaml) {
  if (!IsBlock(json)) {
    *yaml += ScalarText(json) + "\n";
  } else if (json.is_object()) {
    WriteMap(json, indent, yaml);
  } else {
    bool is_first = true;
    for (const Json& each : json) {
      if (!std::exchange(is_first, false)) *yaml += indent;
      *yaml += "- ";
      Write(each, indent + "  ", yaml);
    }
  }
}

}  // namespace

std::string ToYaml(const Json& json) {
  std::string yaml;
  Write(json, "", &yaml);
  return yaml;
}

void PrintJsonLine(const Json& json, std::ostream& out) { out << Dump(json) << "\n"; }

void PrintJson(const Json& json, Format format, std::ostream& out) {
  if (format == Format::kJson) {
    out << Dump(json, 2) << "\n";
    return;
  }
  const Json& items = json.is_object() ? PartAt(json, "/items") : Json(Json::array());
  if (items.empty()) {
    out << ToYaml(json);
    return;
  }
  bool is_first = true;
  for (const Json& item : items) {
    if (!std::exchange(is_first, false)) out << "---\n";
    out << ToYaml(item);
  }
}

}  // namespace tulle::cli
