#include "control-plane/cli/list_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "control-plane/policy/parse.h"

namespace tulle::cli {
namespace {

// Larger than any valid file. Aliases could expand without limit.
constexpr size_t kMostBytes = 2 * policy::kMostFileBytes;
constexpr int kMostLevels = 40;

bool IsPlain(const YAML::Node& scalar) {
  if (scalar.Tag() == "!") return false;  // it was quoted
  double number = 0;
  const std::string& text = scalar.Scalar();
  return text == "true" || text == "false" || text == "null" || text == "~" ||
         (absl::SimpleAtod(text, &number) &&
          text.find_first_not_of("0123456789+-.eE") == std::string::npos);
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// As YAML on one line. False: too large or too deep.
bool Write(const YAML::Node& node, int level, std::string* out) {
  if (level > kMostLevels || out->size() > kMostBytes) return false;
  const char* separator = "";
  switch (node.Type()) {
    case YAML::NodeType::Map:
      *out += "{";
      for (const auto& pair : node) {
        *out += std::exchange(separator, ", ");
        if (!Write(pair.first, level + 1, out)) return false;
        *out += ": ";
        if (!Write(pair.second, level + 1, out)) return false;
      }
      *out += "}";
      return true;
    case YAML::NodeType::Sequence:
      *out += "[";
      for (const YAML::Node& each : node) {
        *out += std::exchange(separator, ", ");
        if (!Write(each, level + 1, out)) return false;
      }
      *out += "]";
      return true;
    case YAML::NodeType::Scalar:
      *out += IsPlain(node) ? node.Scalar() : Quoted(node.Scalar());
      return true;
    default:
      *out += "null";
      return true;
  }
}

bool IsList(const YAML::Node& node) {
  if (!node.IsMap() || !node["items"] || !node["items"].IsSequence()) return false;
  const YAML::Node kind = node["kind"];
  return !kind || (kind.IsScalar() && kind.Scalar().ends_with("List"));
}

bool AddDocument(const YAML::Node& node, UnwrappedList* list) {
  const int line = node.Mark().line + 1;
  if (!list->text.empty()) {
    list->text += "---\n";
    list->lines.push_back(line);
  }
  if (!Write(node, 0, &list->text)) return false;
  list->text += "\n";
  list->lines.push_back(line);
  return true;
}

}  // namespace

std::optional<UnwrappedList> UnwrapList(const std::string& text) {
  if (text.size() > kMostBytes || text.find("items") == std::string::npos) return std::nullopt;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (std::none_of(documents.begin(), documents.end(), IsList)) return std::nullopt;
    UnwrappedList list;
    for (const YAML::Node& document : documents) {
      if (!IsList(document)) {
        if (!document.IsNull() && !AddDocument(document, &list)) return std::nullopt;
        continue;
      }
      for (const YAML::Node& item : document["items"]) {
        if (!AddDocument(item, &list)) return std::nullopt;
      }
    }
    return list;
  } catch (const YAML::Exception&) {
    return std::nullopt;
  }
}

}  // namespace tulle::cli
