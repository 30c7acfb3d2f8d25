// Converts YAML to JSON and parses it into messages, with errors that name the field.
#include "sidecar/config/text_message.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "sidecar/config/text_error.h"

namespace tulle::config {
namespace {

// With aliases a small text can expand to a huge tree.
constexpr int kMaxDepth = 64;
constexpr size_t kMaxJsonBytes = 64 * 1024 * 1024;

void AppendQuoted(const std::string& text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out.append(escaped);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

bool IsNumber(const std::string& text) {
  size_t at = text[0] == '-' ? 1 : 0;
  const size_t digits = text.find_first_not_of("0123456789", at);
  if (digits == at || at == text.size()) return false;
  if (text[at] == '0' && digits != std::string::npos && digits > at + 1) return false;
  if (text[at] == '0' && digits == std::string::npos && text.size() > at + 1) return false;
  if (digits == std::string::npos) return true;
  if (text[digits] != '.') return false;
  at = digits + 1;
  return at < text.size() && text.find_first_not_of("0123456789", at) == std::string::npos;
}

void AppendScalar(const YAML::Node& node, std::string& out) {
  const std::string& text = node.Scalar();
  const bool plain = node.Tag() == "?";  // otherwise it was quoted
  if (plain && (text.empty() || text == "null" || text == "~")) {
    out.append("null");
  } else if (plain && (text == "true" || text == "false" || IsNumber(text))) {
    out.append(text);
  } else {
    AppendQuoted(text, out);
  }
}

absl::Status AppendNode(const YAML::Node& node, int depth, std::string& out) {
  if (depth > kMaxDepth || out.size() > kMaxJsonBytes) {
    return absl::InvalidArgumentError(
        "invalid YAML: nested too deeply, or expands to more than 64 MiB");
  }
  if (!node.IsMap() && !node.IsSequence()) {
    if (node.IsScalar()) {
      AppendScalar(node, out);
    } else {
      out.append("null");
    }
    return absl::OkStatus();
  }
  const bool map = node.IsMap();
  out.push_back(map ? '{' : '[');
  bool first = true;
  for (const auto& item : node) {
    if (!first) out.push_back(',');
    first = false;
    if (map) {
      AppendQuoted(item.first.Scalar(), out);
      out.push_back(':');
    }
    const auto status = AppendNode(map ? item.second : item, depth + 1, out);
    if (!status.ok()) return status;
  }
  out.push_back(map ? '}' : ']');
  return absl::OkStatus();
}

absl::StatusOr<std::string> YamlToJson(const std::string& text) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return absl::InvalidArgumentError("expected an object");
    std::string json;
    const auto status = AppendNode(root, 0, json);
    if (!status.ok()) return status;
    return json;
  } catch (const YAML::Exception& error) {
    // Behind a colon stands text of the file, which may be a private key.
    return absl::InvalidArgumentError(absl::StrCat("line ", error.mark.line + 1, ", column ",
                                                   error.mark.column + 1, ": ",
                                                   error.msg.substr(0, error.msg.find(':'))));
  }
}

}  // namespace

absl::Status ParseText(std::string_view text, google::protobuf::Message* message) {
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return absl::InvalidArgumentError("is empty");
  std::string json(text);
  const bool is_yaml = text[start] != '{';
  if (is_yaml) {
    auto converted = YamlToJson(json);
    if (!converted.ok()) return converted.status();
    json = *std::move(converted);
  }
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(json, message, options);
  if (status.ok()) return absl::OkStatus();
  const auto& reason = status.message();
  return absl::InvalidArgumentError(
      ReadableError(absl::string_view(reason.data(), reason.size()), is_yaml ? "" : json));
}

}  // namespace tulle::config
