#include "control-plane/cli/redaction.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"

namespace tulle::cli {
namespace {

constexpr char kTaken[] = "[redacted]";

// Parts of names of fields whose values are secrets whatever they are.
constexpr std::array<const char*, 8> kSecretWords = {"password",      "secret",     "token",
                                                     "credential",    "privatekey", "private_key",
                                                     "authorization", "cookie"};
// Names of the fields that say what a value beside them is of.
constexpr std::array<const char*, 4> kLabels = {"name", "key", "header", "header_name"};
// Such values.
constexpr std::array<const char*, 12> kValues = {
    "value",          "values",           "raw_value",   "string_match",
    "exact_match",    "prefix_match",     "regex_match", "suffix_match",
    "contains_match", "safe_regex_match", "range_match", "append_value"};

bool IsSecretName(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](const char* word) { return absl::StrContains(lower, word); });
}

// {"name": "x-key", "value": "..."}.
bool IsLabelled(const Json& object) {
  return std::any_of(kLabels.begin(), kLabels.end(), [&](const char* label) {
    return object.contains(label) && object[label].is_string();
  });
}

bool IsValue(const std::string& name) {
  return std::find(kValues.begin(), kValues.end(), name) != kValues.end();
}

void TakeTexts(Json* json) {
  if (json->is_structured()) {
    for (Json& each : *json) TakeTexts(&each);
  } else if (!json->is_null() && !json->is_boolean()) {
    *json = kTaken;
  }
}

void TakeSecrets(Json* json) {
  if (json->is_array()) {
    for (Json& each : *json) TakeSecrets(&each);
  }
  if (!json->is_object()) return;
  const bool is_labelled = IsLabelled(*json);
  for (auto& [name, value] : json->items()) {
    const bool is_body = name == "inline_string" || name == "inline_bytes" || name == "body";
    const bool is_named = IsSecretName(name) && (value.is_string() || value.is_array());
    if (name == "annotations" || is_body || is_named || (is_labelled && IsValue(name))) {
      TakeTexts(&value);
    } else {
      TakeSecrets(&value);
    }
  }
}

bool IsOfSecret(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("+/=-_.~").find(c) != std::string_view::npos;
}

// What follows each `mark` as long as it can be part of a secret of at least `least` characters.
void TakeAfter(std::string_view mark, bool with_mark, size_t least, std::string* text) {
  for (size_t at = text->find(mark); at != std::string::npos; at = text->find(mark, at)) {
    size_t end = at + mark.size();
    while (end < text->size() && IsOfSecret((*text)[end])) ++end;
    const size_t begin = with_mark ? at : at + mark.size();
    at += mark.size();
    if (end - begin < least) continue;
    text->replace(begin, end - begin, kTaken);
    at = begin + sizeof kTaken - 1;
  }
}

void TakePrivateKeys(std::string* text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::string_view kDashes = "-----";
  for (size_t at = text->find(kBegin); at != std::string::npos; at = text->find(kBegin, at + 1)) {
    const std::string_view label(text->data() + at, std::min<size_t>(64, text->size() - at));
    const size_t key = label.find("PRIVATE KEY");
    if (key == std::string_view::npos || key > label.find(kDashes, kBegin.size())) continue;
    const size_t last = text->find(kEnd, at);
    const size_t after =
        last == std::string::npos ? std::string::npos : text->find(kDashes, last + kEnd.size());
    const size_t size =
        after == std::string::npos ? std::string::npos : after + kDashes.size() - at;
    text->replace(at, size, kTaken);
  }
}

// scheme://USER:PASSWORD@host
void TakeUserOfUrls(std::string* text) {
  constexpr std::string_view kMark = "://";
  for (size_t at = text->find(kMark); at != std::string::npos; at = text->find(kMark, at + 1)) {
    const size_t begin = at + kMark.size();
    const size_t end = text->find_first_of("/@ \"'\n\\", begin);
    if (end == std::string::npos || (*text)[end] != '@') continue;
    text->replace(begin, end - begin, kTaken);
  }
}

}  // namespace

Json Redacted(Json json) {
  TakeSecrets(&json);
  return json;
}

std::string WithoutSecrets(std::string text, const std::vector<std::string>& known) {
  for (const std::string& secret : known) {
    if (!secret.empty()) text = absl::StrReplaceAll(text, {{secret, kTaken}});
  }
  TakePrivateKeys(&text);
  TakeAfter("tulle1.", true, sizeof "tulle1.", &text);
  TakeAfter("eyJ", true, 40, &text);  // the begin of each JSON web token: {" in base64
  for (const char* scheme : {"Bearer ", "bearer ", "Basic ", "basic "})
    TakeAfter(scheme, false, 8, &text);
  TakeUserOfUrls(&text);
  return text;
}

}  // namespace tulle::cli
