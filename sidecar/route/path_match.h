#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace tulle::route {

enum class PathKind : uint8_t { kPrefix, kExact, kSeparatedPrefix, kRegex, kConnect };

// RouteMatch.path_specifier. kConnect, without a text: connect_matcher, for CONNECT requests, which
// alone have no path.
struct PathSpec {
  PathKind kind = PathKind::kPrefix;
  std::string text{};
  bool ignore_case = false;  // case_sensitive: false

  bool operator==(const PathSpec&) const = default;
};

class PathMatch {
 public:
  static absl::StatusOr<PathMatch> Compile(PathSpec spec);

  // `path` is without its query.
  bool Matches(std::string_view path) const;
  // The length of the matching path prefix that prefix_rewrite replaces.
  size_t MatchedLength(std::string_view path) const {
    const bool prefix = spec_.kind == PathKind::kPrefix || spec_.kind == PathKind::kSeparatedPrefix;
    return prefix ? spec_.text.size() : path.size();
  }
  const PathSpec& spec() const { return spec_; }
  // What the matching paths have in common, for names of spans: "/cart", "/api/*", or the regular
  // expression. Empty: any path matches.
  std::string_view path_template() const { return template_; }

 private:
  PathMatch(PathSpec spec, std::shared_ptr<const re2::RE2> regex);

  PathSpec spec_;
  std::string template_;
  std::shared_ptr<const re2::RE2> regex_;
};

}  // namespace tulle::route
