// Compiles and evaluates string matchers and regular expressions.
#include "sidecar/match/string_match.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tulle::match {
namespace {

constexpr size_t kMaxPatternBytes = 4096;
constexpr int kMaxProgramSize = 10000;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool ContainsIgnoreCase(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) != text.end();
}

bool MatchesIgnoringCase(const StringSpec& spec, std::string_view value) {
  const std::string_view text = spec.text;
  if (value.size() < text.size()) return false;
  switch (spec.kind) {
    case StringKind::kExact:
      return EqualsIgnoreCase(value, text);
    case StringKind::kPrefix:
      return StartsWithIgnoreCase(value, text);
    case StringKind::kSuffix:
      return EqualsIgnoreCase(value.substr(value.size() - text.size()), text);
    default:
      return ContainsIgnoreCase(value, text);
  }
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return Lower(x) == Lower(y); });
}

bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileRegex(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("empty regular expression");
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the regular expression has ", pattern.size(),
                                                   " bytes; at most ", kMaxPatternBytes,
                                                   " are allowed: split it into several matches"));
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto regex =
      std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!regex->ok()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid regular expression: ", regex->error(),
                                                   " (RE2 syntax; no look-around, no \\1)"));
  }
  if (regex->ProgramSize() > kMaxProgramSize) {
    return absl::InvalidArgumentError(absl::StrCat("the regular expression compiles to ",
                                                   regex->ProgramSize(), " steps; at most ",
                                                   kMaxProgramSize, " are taken: simplify it"));
  }
  return regex;
}

absl::StatusOr<StringMatch> StringMatch::Compile(StringSpec spec) {
  StringMatch compiled(std::move(spec));
  if (compiled.spec_.kind != StringKind::kRegex) {
    if (compiled.spec_.text.empty() && compiled.spec_.kind != StringKind::kExact) {
      return absl::InvalidArgumentError("prefix, suffix and contains must not be empty");
    }
    return compiled;
  }
  if (compiled.spec_.ignore_case) {
    return absl::InvalidArgumentError("ignore_case has no effect on safe_regex: write (?i) in it");
  }
  auto regex = CompileRegex(compiled.spec_.text);
  if (!regex.ok()) return regex.status();
  compiled.regex_ = *std::move(regex);
  return compiled;
}

bool StringMatch::Matches(std::string_view value) const {
  const std::string_view text = spec_.text;
  if (spec_.ignore_case) return MatchesIgnoringCase(spec_, value);
  switch (spec_.kind) {
    case StringKind::kExact:
      return value == text;
    case StringKind::kPrefix:
      return value.starts_with(text);
    case StringKind::kSuffix:
      return value.ends_with(text);
    case StringKind::kContains:
      return value.find(text) != std::string_view::npos;
    case StringKind::kRegex:
      return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
  }
  return false;
}

}  // namespace tulle::match
