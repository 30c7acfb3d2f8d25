#include "control-plane/cli/yaml_tree.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace tulle::cli {
namespace {

constexpr size_t kMostTreeBytes = 8 * 1024 * 1024;
constexpr int kMostTreeLevels = 64;
constexpr char kStringTag[] = "!";  // yaml-cpp's, for quoted scalars

bool IsOneOf(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return absl::EqualsIgnoreCase(text, word); });
}

bool IsStringNode(const YAML::Node& scalar) {
  const std::string& tag = scalar.Tag();
  return tag == kStringTag || tag == "tag:yaml.org,2002:str";
}

YamlJson PlainJson(const std::string& text) {
  if (text.empty() || text == "~" || IsOneOf(text, {"null"})) return nullptr;
  if (IsOneOf(text, {"true", "yes", "on", "y"})) return true;
  if (IsOneOf(text, {"false", "no", "off", "n"})) return false;
  int64_t whole = 0;
  if (absl::SimpleAtoi(text, &whole)) return whole;
  double number = 0;
  if (text.find_first_not_of("0123456789+-.eE") == std::string::npos &&
      absl::SimpleAtod(text, &number)) {
    return number;
  }
  return text;
}

class JsonBuilder {
 public:
  bool Build(const YAML::Node& node, int level, YamlJson& into) {
    if (level > kMostTreeLevels || ++size_ > kMostTreeBytes) return false;
    if (node.IsMap()) {
      into = YamlJson::object();
      for (const auto& pair : node) {
        if (!pair.first.IsScalar()) return false;
        if (!Build(pair.second, level + 1, into[pair.first.Scalar()])) return false;
      }
    } else if (node.IsSequence()) {
      into = YamlJson::array();
      for (const YAML::Node& each : node) {
        into.push_back(nullptr);
        if (!Build(each, level + 1, into.back())) return false;
      }
    } else if (node.IsScalar()) {
      size_ += node.Scalar().size();
      into = IsStringNode(node) ? YamlJson(node.Scalar()) : PlainJson(node.Scalar());
    }
    return true;
  }

 private:
  size_t size_ = 0;
};

// Text that every version of YAML reads as a string without quotes.
bool IsPlainText(const std::string& text) {
  const auto is_allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/') &&
         std::all_of(text.begin(), text.end(), is_allowed) && PlainJson(text).is_string();
}

YAML::Node NodeOf(const YamlJson& json) {
  YAML::Node node;
  if (json.is_object()) {
    node = YAML::Node(YAML::NodeType::Map);
    for (const auto& [key, value] : json.items()) node.force_insert(key, NodeOf(value));
  } else if (json.is_array()) {
    node = YAML::Node(YAML::NodeType::Sequence);
    for (const YamlJson& value : json) node.push_back(NodeOf(value));
  } else if (json.is_string()) {
    node = YAML::Node(json.get<std::string>());
    if (!IsPlainText(node.Scalar())) node.SetTag(kStringTag);
  } else if (!json.is_null()) {
    node = YAML::Node(json.dump());
  }
  return node;
}

// yaml-cpp cannot insert into a sequence.
void InsertAt(YAML::Node sequence, size_t index, const YAML::Node& value) {
  YAML::Node changed(YAML::NodeType::Sequence);
  for (size_t i = 0; i <= sequence.size(); ++i) {
    if (i == index) changed.push_back(value);
    if (i < sequence.size()) changed.push_back(sequence[i]);
  }
  sequence = changed;
}

void ApplyOperation(const YamlJson& operation, const YAML::Node& root) {
  const std::string path = operation["path"].get<std::string>();
  std::vector<std::string> names = absl::StrSplit(path.substr(1), '/');
  YAML::Node at = root;
  for (std::string& name : names) name = absl::StrReplaceAll(name, {{"~1", "/"}, {"~0", "~"}});
  for (size_t i = 0; i + 1 < names.size(); ++i)
    at.reset(at.IsSequence() ? at[std::stoul(names[i])] : at[names[i]]);
  const YAML::Node value = NodeOf(operation["value"]);
  const std::string& last = names.back();
  if (!at.IsSequence()) {
    at[last] = value;
  } else if (operation["op"] == "replace") {
    at[std::stoul(last)] = value;
  } else {
    InsertAt(at, last == "-" ? at.size() : std::stoul(last), value);
  }
}

class Writer {
 public:
  bool Write(const YAML::Node& node, size_t indent, int level) {
    if (level > kMostTreeLevels || text_.size() > kMostTreeBytes) return false;
    return node.IsMap() ? WriteMap(node, indent, level) : WriteSequence(node, indent, level);
  }
  bool WriteValue(const YAML::Node& node, size_t indent, int level);
  std::string Take() { return std::move(text_); }

 private:
  bool WriteMap(const YAML::Node& map, size_t indent, int level);
  bool WriteSequence(const YAML::Node& sequence, size_t indent, int level);
  void WriteScalar(const YAML::Node& scalar, size_t indent);
  void WriteLines(const std::string& lines, size_t indent);
  static std::string OnOneLine(const YAML::Node& scalar);
  static bool IsLiteral(const std::string& text);

  std::string text_;
};

std::string Writer::OnOneLine(const YAML::Node& scalar) {
  const std::string& text = scalar.Scalar();
  const std::string& tag = scalar.Tag();
  const bool is_plain = (tag.empty() || tag == "?") && text.find('\n') == std::string::npos;
  if (is_plain && !text.empty()) return text;
  const std::string quoted =
      YamlJson(text).dump(-1, ' ', false, YamlJson::error_handler_t::replace);
  const bool is_own = !tag.empty() && tag != "?" && !IsStringNode(scalar);
  return is_own ? "!<" + tag + "> " + quoted : quoted;
}

bool Writer::IsLiteral(const std::string& text) {
  if (text.find('\n') == std::string::npos || text[0] == ' ' || text[0] == '\n' ||
      absl::EndsWith(text, "\n\n")) {
    return false;
  }
  if (text.find(" \n") != std::string::npos || absl::EndsWith(text, " ")) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\n' || (c >= ' ' && c != '\x7f'); });
}

void Writer::WriteLines(const std::string& lines, size_t indent) {
  const bool ends = lines.back() == '\n';
  text_ += ends ? " |\n" : " |-\n";
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(lines.data(), lines.size() - (ends ? 1 : 0)), '\n')) {
    if (!line.empty()) text_.append(indent, ' ').append(line.data(), line.size());
    text_ += '\n';
  }
}

void Writer::WriteScalar(const YAML::Node& scalar, size_t indent) {
  if (IsStringNode(scalar) && IsLiteral(scalar.Scalar()))
    return WriteLines(scalar.Scalar(), indent);
  text_ += " " + OnOneLine(scalar) + "\n";
}

// After "KEY:" or "-".
bool Writer::WriteValue(const YAML::Node& node, size_t indent, int level) {
  if (node.IsScalar()) {
    WriteScalar(node, indent + 2);
  } else if (!node.IsMap() && !node.IsSequence()) {
    text_ += " null\n";
  } else if (node.size() == 0) {
    text_ += node.IsMap() ? " {}\n" : " []\n";
  } else {
    text_ += "\n";
    return Write(node, node.IsMap() ? indent + 2 : indent, level + 1);
  }
  return true;
}

bool Writer::WriteMap(const YAML::Node& map, size_t indent, int level) {
  for (const auto& pair : map) {
    if (!pair.first.IsScalar()) return false;
    text_.append(indent, ' ').append(OnOneLine(pair.first)) += ":";
    if (!WriteValue(pair.second, indent, level)) return false;
  }
  return true;
}

bool Writer::WriteSequence(const YAML::Node& sequence, size_t indent, int level) {
  for (const YAML::Node& each : sequence) {
    if ((each.IsMap() || each.IsSequence()) && each.size() > 0) {
      const size_t begin = text_.size();
      if (!Write(each, indent + 2, level + 1)) return false;
      text_[begin + indent] = '-';  // in front of its first line
    } else {
      text_.append(indent, ' ') += "-";
      if (!WriteValue(each, indent, level)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<YamlJson> JsonOf(const YAML::Node& node) {
  YamlJson json;
  if (!JsonBuilder().Build(node, 0, json)) return std::nullopt;
  return json;
}

void ApplyPatch(const YamlJson& patch, YAML::Node root) {
  for (const YamlJson& operation : patch) ApplyOperation(operation, root);
}

std::optional<std::string> YamlOf(const YAML::Node& node) {
  Writer writer;
  if (!(node.IsMap() || node.IsSequence()) || !writer.Write(node, 0, 0)) return std::nullopt;
  return writer.Take();
}

}  // namespace tulle::cli
