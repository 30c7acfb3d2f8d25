#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/arena.h"

// What is decided on must be what is forwarded: path and authority are brought to one form before
// routes and rules look at them, and the same bytes go upstream (faults 44 and 45).
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
  kRefused,     // answer 400
  kRedirected,  // answer 307 with `path` as the location
};

struct NormalizedPath {
  PathVerdict verdict = PathVerdict::kAccepted;
  std::string_view path;  // with the query; the input itself if nothing had to change
};

// `path` is a request target in origin form, or "*". Refused always: a fragment, %00, control
// bytes, anything not beginning with '/'. With normalize: dot segments (RFC 3986 5.2.4) go, escapes
// of unreserved characters are decoded, '\' becomes '/'. Draws from the arena only when the path
// changes.
NormalizedPath NormalizePath(std::string_view path, const PathRules& rules, Arena& arena);

// Lower case, no dot after the host; nothing if it has user information, no host or a bad port
// (answer 400). Draws from the arena only when it changes.
std::optional<std::string_view> NormalizeAuthority(std::string_view authority, Arena& arena);

// "a.test:80" -> "a.test"; "[::1]:80" -> "[::1]".
std::string_view HostOf(std::string_view authority);

// Without the query.
std::string_view PathOnly(std::string_view path);

}  // namespace tulle::route
