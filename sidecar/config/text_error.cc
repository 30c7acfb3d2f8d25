#include "sidecar/config/text_error.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace tulle::config {
namespace {

constexpr size_t kLongestName = 128;
constexpr absl::string_view kTypeUrl = "type.googleapis.com/";

// Of a field, type or enum value. A key in PEM or base64 rarely looks like that.
bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ||
                  c == '@' || c == '-';
         });
}

absl::string_view Unquoted(absl::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

std::string EnumError(const google::protobuf::EnumDescriptor& type, absl::string_view value) {
  std::string known;
  for (int i = 0; i < type.value_count(); ++i)
    absl::StrAppend(&known, i == 0 ? "" : ", ", type.value(i)->name());
  const absl::string_view name = Unquoted(value);
  const std::string quoted = IsName(name) ? absl::StrCat(" \"", name, "\"") : "";
  return absl::StrCat("unknown value", quoted, "; known values: ", known);
}

std::string AnyError(absl::string_view value) {
  const size_t at = value.find("unknown type: ");
  if (at == absl::string_view::npos) return "invalid value; expected an object with \"@type\"";
  absl::string_view name = Unquoted(value.substr(at + 14));
  absl::ConsumePrefix(&name, kTypeUrl);
  return IsName(name) ? absl::StrCat("unknown type \"", name, "\"") : "unknown type";
}

std::string ScalarError(absl::string_view type) {
  if (type == "TYPE_BYTES") return "invalid value; expected base64";
  if (type == "TYPE_BOOL") return "invalid value; expected true or false";
  if (type == "TYPE_STRING") return "invalid value; expected a string";
  return "invalid value; expected a number";
}

std::string MessageError(absl::string_view name) {
  const size_t dot = name.rfind('.');
  const absl::string_view last = dot == absl::string_view::npos ? name : name.substr(dot + 1);
  if (name == "google.protobuf.Duration")
    return "invalid duration; write seconds with s, such as \"5s\"";
  if (name == "google.protobuf.BoolValue") return ScalarError("TYPE_BOOL");
  if (name == "google.protobuf.StringValue") return ScalarError("TYPE_STRING");
  if (absl::StartsWith(name, "google.protobuf.") && absl::EndsWith(name, "Value"))
    return ScalarError("");
  return IsName(last) ? absl::StrCat("invalid value; expected an object (", last, ")")
                      : "invalid value";
}

// "VALUE for type TYPE"
std::string ValueError(absl::string_view text) {
  const size_t at = text.rfind(" for type ");
  if (at == absl::string_view::npos) return "invalid value";
  const absl::string_view value = text.substr(0, at);
  absl::string_view type = text.substr(at + 10);
  if (type == "Any") return AnyError(value);
  if (type == "oneof") return "invalid value; another field that excludes this one is set, too";
  if (absl::StartsWith(type, "TYPE_")) return ScalarError(type);
  if (!absl::ConsumePrefix(&type, kTypeUrl)) return "invalid value";
  const auto* enum_type =
      google::protobuf::DescriptorPool::generated_pool()->FindEnumTypeByName(std::string(type));
  return enum_type == nullptr ? MessageError(type) : EnumError(*enum_type, value);
}

// "NAME: what is wrong with it"; null: not of this form.
std::optional<std::string> NameError(absl::string_view path, absl::string_view text) {
  const size_t colon = text.find(": ");
  if (colon == absl::string_view::npos || !IsName(text.substr(0, colon))) return std::nullopt;
  const absl::string_view reason = text.substr(colon + 2);
  absl::string_view said = "invalid value";
  if (reason == "Cannot find field.")
    said = "unknown field, or not implemented: check the spelling or remove it";
  if (absl::EndsWith(reason, "cannot start list.")) said = "invalid value; expected no list";
  if (absl::EndsWith(reason, "scalar field")) said = "invalid value; expected no object";
  return absl::StrCat(path, path.empty() ? "" : ".", text.substr(0, colon), ": ", said);
}

std::string PositionOfError(const std::string& json) {
  try {
    [[maybe_unused]] const nlohmann::json parsed = nlohmann::json::parse(json);
  } catch (const nlohmann::json::parse_error& error) {
    const absl::string_view before =
        absl::string_view(json).substr(0, error.byte == 0 ? 0 : error.byte - 1);
    const size_t newline = before.rfind('\n');
    const size_t column =
        newline == absl::string_view::npos ? before.size() + 1 : before.size() - newline;
    return absl::StrCat("line ", std::count(before.begin(), before.end(), '\n') + 1, ", column ",
                        column, ": ");
  } catch (const nlohmann::json::exception&) {
  }
  return "";
}

// Protobuf adds a line of the text, and a caret below it.
std::string SyntaxError(absl::string_view error, const std::string& json) {
  std::string reason(error.substr(0, error.find('\n')));
  if (absl::StartsWith(reason, "Unexpected end")) reason = "unexpected end";
  reason[0] = absl::ascii_tolower(static_cast<unsigned char>(reason[0]));
  return absl::StrCat(json.empty() ? "" : PositionOfError(json),
                      "invalid JSON: ", absl::StripSuffix(reason, "."));
}

}  // namespace

std::string ReadableError(absl::string_view error, const std::string& json) {
  constexpr absl::string_view kInvalid = ": invalid value ";
  std::string path;
  if (absl::ConsumePrefix(&error, "(")) {
    const size_t close = error.find(')');
    path = std::string(error.substr(0, close));
    error = close == absl::string_view::npos ? "" : error.substr(close + 1);
  } else if (absl::EndsWith(error, "^") && error.find('\n') != absl::string_view::npos) {
    return SyntaxError(error, json);
  }
  const std::string separator = path.empty() ? "" : ": ";
  if (absl::ConsumePrefix(&error, kInvalid) || absl::ConsumePrefix(&error, kInvalid.substr(2)))
    return absl::StrCat(path, separator, ValueError(error));
  if (auto named = NameError(path, absl::StripLeadingAsciiWhitespace(error))) return *named;
  return absl::StrCat(path, separator, "invalid value");
}

}  // namespace tulle::config
