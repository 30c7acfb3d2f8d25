#include "control-plane/cli/redaction.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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

// Of `metadata`: what Kubernetes and the control plane write there.
constexpr std::array<const char*, 7> kKnownMetadata = {
    "name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "revision"};

bool IsKnownMetadata(const std::string& name) {
  return std::find(kKnownMetadata.begin(), kKnownMetadata.end(), name) != kKnownMetadata.end();
}

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

void TakeSecrets(Json* json);

// Of an object, a proxy or a resource of xDS: what anybody may have written there goes.
void TakeFreeValues(Json* metadata) {
  for (auto& [name, value] : metadata->items()) {
    const bool is_ours = name == "tulle" || name.starts_with("tulle.");
    if (name == "filter_metadata" && value.is_object()) {
      TakeFreeValues(&value);
    } else if (is_ours || IsKnownMetadata(name)) {
      TakeSecrets(&value);
    } else {
      TakeTexts(&value);
    }
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
    } else if (name == "metadata" && value.is_object()) {
      TakeFreeValues(&value);
    } else {
      TakeSecrets(&value);
    }
  }
}

bool IsEndOfQuery(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)) || c == '"'; }

bool IsOfSecret(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("+/=-_.~").find(c) != std::string_view::npos;
}

bool IsOfCredential(char c) {
  return !absl::ascii_isspace(static_cast<unsigned char>(c)) &&
         std::string_view("\"'\\,;<>(){}[]").find(c) == std::string_view::npos;
}

// A part of a text, in bytes; empty: nothing.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

using Finder = absl::FunctionRef<TextRange(size_t at)>;

// Takes what `find` names for the place of each `mark` in `searched`, which is as long as `text`;
// it lies behind the mark or contains it. In one pass: texts of megabytes may consist of marks.
std::string WithoutRanges(const std::string& text, std::string_view searched, std::string_view mark,
                          Finder find) {
  std::string kept;
  size_t from = 0;
  for (size_t at = searched.find(mark); at != std::string::npos;) {
    const TextRange taken = find(at);
    if (taken.begin == taken.end) {
      at = searched.find(mark, at + mark.size());
      continue;
    }
    kept.append(text, from, taken.begin - from).append(kTaken);
    from = taken.end;
    at = searched.find(mark, from);
  }
  return kept.append(text, from);
}

std::string WithoutRanges(const std::string& text, std::string_view mark, Finder find) {
  return WithoutRanges(text, text, mark, find);
}

// Each `mark` and what follows it, if it can be a secret of at least `least` characters.
std::string WithoutTail(const std::string& text, std::string_view mark, size_t least) {
  return WithoutRanges(text, mark, [&](size_t at) -> TextRange {
    size_t end = at + mark.size();
    while (end < text.size() && IsOfSecret(text[end])) ++end;
    return end - at < least ? TextRange() : TextRange{at, end};
  });
}

// One that is cut goes to the end of the text.
std::string WithoutPrivateKeys(const std::string& text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::string_view kDashes = "-----";
  return WithoutRanges(text, kBegin, [&](size_t at) -> TextRange {
    const std::string_view label(text.data() + at, std::min<size_t>(64, text.size() - at));
    const size_t key = label.find("PRIVATE KEY");
    if (key == std::string_view::npos || key > label.find(kDashes, kBegin.size())) return {};
    const size_t last = text.find(kEnd, at);
    const size_t after =
        last == std::string::npos ? std::string::npos : text.find(kDashes, last + kEnd.size());
    return {at, after == std::string::npos ? text.size() : after + kDashes.size()};
  });
}

// scheme://USER:PASSWORD@host: a password may contain @.
std::string WithoutUsers(const std::string& text) {
  constexpr std::string_view kMark = "://";
  return WithoutRanges(text, kMark, [&](size_t at) -> TextRange {
    const size_t begin = at + kMark.size();
    const size_t end = std::min(text.find_first_of("/ \"'\n\\", begin), text.size());
    const size_t host = std::string_view(text).substr(begin, end - begin).rfind('@');
    return host == std::string_view::npos ? TextRange() : TextRange{begin, begin + host};
  });
}

// /path?QUERY, also where the path is a value itself (%3F). It ends with a blank or a quote; in
// JSON, a quote behind a backslash is part of it. A question mark of a sentence is followed by no
// more than other marks.
std::string WithoutQueries(const std::string& text, std::string_view mark) {
  return WithoutRanges(text, mark, [&](size_t at) -> TextRange {
    const size_t begin = at + mark.size();
    size_t end = begin;
    bool has_any = false;
    while (end < text.size() && !IsEndOfQuery(text[end])) {
      has_any |= absl::ascii_isalnum(static_cast<unsigned char>(text[end])) || text[end] == '%';
      end += text[end] == '\\' ? 2 : 1;
    }
    return has_any ? TextRange{begin, std::min(end, text.size())} : TextRange();
  });
}

// NAME="VALUE", NAME=VALUE, ...: to the end of the line, or of the text in quotes that it is in.
size_t EndOfParameters(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '\n' && text[at] != '\r') {
    if (text[at] == '\\') {
      at += 2;
    } else if (text[at] == '"') {
      if (text[at - 1] != '=') break;
      at = std::min(text.find_first_of("\"\n", at + 1), text.size() - 1) + 1;
    } else {
      ++at;
    }
  }
  return std::min(at, text.size());
}

// With what ends a sentence.
bool IsWord(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(".:!?") + 1);
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_islower(c); });
}

// "Bearer VALUE" and the like, as values of Authorization are.
struct AuthorizationScheme {
  std::string_view name;  // in lower case, with the blank
  bool is_word = false;   // of sentences too: what follows it may be a word
  bool has_parameters = false;
};
constexpr AuthorizationScheme kSchemes[] = {{"bearer "},
                                            {"basic "},
                                            {"apikey "},
                                            {"api-key "},
                                            {"ntlm "},
                                            {"dpop "},
                                            {"negotiate ", true},
                                            {"token ", true},
                                            {"digest ", true, true},
                                            {"hawk ", false, true},
                                            {"oauth ", false, true},
                                            {"aws4-hmac-sha256 ", false, true}};

std::string WithoutCredentials(const std::string& text, const AuthorizationScheme& scheme) {
  constexpr size_t kShortest = 8;
  const std::string_view all = text;
  return WithoutRanges(text, absl::AsciiStrToLower(text), scheme.name, [&](size_t at) -> TextRange {
    if (at > 0 && absl::ascii_isalnum(static_cast<unsigned char>(text[at - 1]))) return {};
    const size_t begin = at + scheme.name.size();
    size_t end = begin;
    while (end < text.size() && IsOfCredential(text[end])) ++end;
    const std::string_view first = all.substr(begin, end - begin);
    if (scheme.has_parameters && first.find('=') != first.npos)
      return {begin, EndOfParameters(all, begin)};
    const bool is_secret = first.size() >= kShortest && !(scheme.is_word && IsWord(first));
    return is_secret ? TextRange{begin, end} : TextRange();
  });
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
  text = WithoutPrivateKeys(text);
  text = WithoutTail(text, "tulle1.", sizeof "tulle1.");
  text = WithoutTail(text, "eyJ", 40);  // the begin of each JSON web token: {" in base64
  for (const AuthorizationScheme& scheme : kSchemes) text = WithoutCredentials(text, scheme);
  text = WithoutUsers(text);
  for (const char* mark : {"?", "%3F", "%3f"}) text = WithoutQueries(text, mark);
  return text;
}

}  // namespace tulle::cli
