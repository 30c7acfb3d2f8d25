#include "sidecar/route/path_match.h"

#include <re2/re2.h>

#include "sidecar/match/string_match.h"

namespace tulle::route {
namespace {

std::string TemplateOf(const PathSpec& spec) {
  switch (spec.kind) {
    case PathKind::kPrefix:
      return spec.text.size() < 2 ? "" : spec.text + "*";
    case PathKind::kSeparatedPrefix:
      return spec.text + "/*";
    case PathKind::kExact:
    case PathKind::kRegex:
      return spec.text;
    case PathKind::kConnect:
      break;
  }
  return "";
}

}  // namespace

PathMatch::PathMatch(PathSpec spec, std::shared_ptr<const re2::RE2> regex)
    : spec_(std::move(spec)), template_(TemplateOf(spec_)), regex_(std::move(regex)) {}

absl::StatusOr<PathMatch> PathMatch::Compile(PathSpec spec) {
  const std::string_view text = spec.text;
  if (spec.kind == PathKind::kSeparatedPrefix &&
      (text.size() < 2 || text.front() != '/' || text.back() == '/' ||
       text.find_first_of("?#") != std::string_view::npos)) {
    return absl::InvalidArgumentError(
        "path_separated_prefix '" + spec.text +
        "' must begin with '/', and must not end with '/' or contain a query");
  }
  std::shared_ptr<const re2::RE2> compiled;
  if (spec.kind == PathKind::kRegex) {
    auto regex = match::CompileRegex(text);
    if (!regex.ok()) return regex.status();
    compiled = *std::move(regex);
  }
  return PathMatch(std::move(spec), std::move(compiled));
}

bool PathMatch::Matches(std::string_view path) const {
  const std::string_view text = spec_.text;
  const bool fold = spec_.ignore_case;
  const auto starts = [&] {
    return fold ? match::StartsWithIgnoreCase(path, text) : path.starts_with(text);
  };
  switch (spec_.kind) {
    case PathKind::kPrefix:
      return starts();
    case PathKind::kExact:
      return fold ? match::EqualsIgnoreCase(path, text) : path == text;
    case PathKind::kSeparatedPrefix:
      return starts() && (path.size() == text.size() || path[text.size()] == '/');
    case PathKind::kConnect:
      return path.empty();
    case PathKind::kRegex:
      return re2::RE2::FullMatch(re2::StringPiece(path.data(), path.size()), *regex_);
  }
  return false;
}

}  // namespace tulle::route
