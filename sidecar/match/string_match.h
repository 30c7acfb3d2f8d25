#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

// Matches on strings and headers, compiled from plain specs. Immutable after Compile, so any thread
// may use them. Source: envoy.type.matcher.v3.StringMatcher and RegexMatcher.
namespace tulle::match {

enum class StringKind : uint8_t { kExact, kPrefix, kSuffix, kContains, kRegex };

struct StringSpec {
  StringKind kind = StringKind::kExact;
  std::string text{};
  bool ignore_case = false;  // not for kRegex: write (?i)

  bool operator==(const StringSpec&) const = default;
};

// A regular expression (RE2 syntax: linear time) of limited size. Errors: kInvalidArgument, with a
// hint on how to fix it.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileRegex(std::string_view pattern);

class StringMatch {
 public:
  static absl::StatusOr<StringMatch> Compile(StringSpec spec);

  bool Matches(std::string_view value) const;
  const StringSpec& spec() const { return spec_; }

 private:
  explicit StringMatch(StringSpec spec) : spec_(std::move(spec)) {}

  StringSpec spec_;  // text in lower case if ignore_case
  std::shared_ptr<const re2::RE2> regex_;
};

// ASCII only.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix);

}  // namespace tulle::match
