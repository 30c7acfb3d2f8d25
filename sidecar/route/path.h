#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/arena.h"

// Path and authority are normalized before routing and authorization, and the same bytes are sent
// upstream: the decision is made on what is forwarded.
namespace tulle::route {

// HttpConnectionManager.path_with_escaped_slashes_action: %2F and %5C.
enum class EscapedSlashes : uint8_t { kKeep, kReject, kRedirect, kForward };

struct PathRules {
  bool normalize = true;       // normalize_path
  bool merge_slashes = false;  // merge_slashes
  EscapedSlashes escaped_slashes = EscapedSlashes::kKeep;
};

enum class PathVerdict : uint8_t {
  kAccepted,
  kRefused,     // respond with 400
  kRedirected,  // respond with 307 and `path` as the location
};

struct NormalizedPath {
  PathVerdict verdict = PathVerdict::kAccepted;
  std::string_view path;  // with the query; the input itself if nothing changed
};

// `path` is a request target in origin form, or "*". Always refused: a fragment, %00, control
// bytes, bytes above 0x7f, a path that does not begin with '/'. With normalize: dot segments (RFC
// 3986 5.2.4) are removed, escapes of unreserved characters are decoded, '\' becomes '/'. Allocates
// from the arena only if the path changes.
NormalizedPath NormalizePath(std::string_view path, const PathRules& rules, Arena& arena);

// Lower case, without a dot after the host; empty if it has user information, no host or an invalid
// port (respond with 400). Allocates from the arena only if it changes.
std::optional<std::string_view> NormalizeAuthority(std::string_view authority, Arena& arena);

// "a.test:80" -> "a.test"; "[::1]:80" -> "[::1]".
std::string_view HostOf(std::string_view authority);

// Without the query.
std::string_view PathOnly(std::string_view path);

}  // namespace tulle::route
