// Normalizes paths and authorities.
#include "sidecar/route/path.h"

#include <algorithm>
#include <cstring>

namespace tulle::route {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte encoded by the escape at text[at..at+2], or -1.
int EscapedByte(std::string_view text, size_t at) {
  if (text[at] != '%' || at + 2 >= text.size()) return -1;
  const int high = HexValue(text[at + 1]);
  const int low = HexValue(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool IsUnreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// Control bytes, spaces, and bytes above 0x7f: HTTP/1.1 cannot carry them in a target.
bool HasUnwritable(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f;
  });
}

// Bytes that are forbidden in every form of the path.
bool IsBad(std::string_view path) {
  if (path.empty() || path[0] != '/' || HasUnwritable(path)) return true;
  if (path.find('#') != std::string_view::npos) return true;
  return PathOnly(path).find("%00") != std::string_view::npos;
}

bool HasEscapedSlash(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const int byte = EscapedByte(path, i);
    if (byte == '/' || byte == '\\') return true;
  }
  return false;
}

// Whether normalization could change the path.
bool MayChange(std::string_view path, const PathRules& rules, bool unescape) {
  if (unescape) return true;
  if (rules.merge_slashes && path.find("//") != std::string_view::npos) return true;
  return rules.normalize && (path.find_first_of("%\\") != std::string_view::npos ||
                             path.find("/.") != std::string_view::npos);
}

// Decodes unreserved characters in place. Returns the new length.
size_t Decode(char* text, size_t size, bool normalize, bool unescape_slashes) {
  const std::string_view in(text, size);
  char* out = text;
  for (size_t i = 0; i < size; ++i) {
    const int byte = EscapedByte(in, i);
    const bool slash = byte == '/' || byte == '\\';
    if (byte >= 0 && ((normalize && IsUnreserved(byte)) || (slash && unescape_slashes))) {
      *out++ = slash ? '/' : static_cast<char>(byte);
      i += 2;
    } else {
      *out++ = normalize && text[i] == '\\' ? '/' : text[i];
    }
  }
  return static_cast<size_t>(out - text);
}

// Removes dot segments (RFC 3986 5.2.4) in place; the path must begin with '/'.
size_t RemoveDotSegments(char* text, size_t size) {
  size_t out = 0;
  size_t at = 0;
  while (at < size) {
    size_t end = at + 1;
    while (end < size && text[end] != '/') ++end;
    const std::string_view segment(text + at + 1, end - at - 1);
    const bool last = end == size;
    if (segment == "." || segment == "..") {
      if (segment == ".." && out > 0) {
        while (text[--out] != '/') {
        }
      }
      if (last) text[out++] = '/';
    } else {
      std::memmove(text + out, text + at, end - at);
      out += end - at;
    }
    at = end;
  }
  if (out == 0) text[out++] = '/';
  return out;
}

size_t MergeSlashes(char* text, size_t size) {
  char* const end =
      std::unique(text, text + size, [](char a, char b) { return a == '/' && b == '/'; });
  return static_cast<size_t>(end - text);
}

bool IsPort(std::string_view port) {
  if (port.empty() || port.size() > 5) return false;
  int value = 0;
  for (char c : port) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value <= 65535;
}

bool IsHostCharacter(char c) {
  return static_cast<unsigned char>(c) > 0x20 && c != 0x7f &&
         std::string_view("@/?#\\<>\"^`{|}").find(c) == std::string_view::npos;
}

}  // namespace

std::string_view PathOnly(std::string_view path) { return path.substr(0, path.find('?')); }

NormalizedPath NormalizePath(std::string_view path, const PathRules& rules, Arena& arena) {
  if (path == "*") return {PathVerdict::kAccepted, path};
  if (IsBad(path)) return {PathVerdict::kRefused, {}};
  const std::string_view only = PathOnly(path);
  const bool escaped = rules.escaped_slashes != EscapedSlashes::kKeep && HasEscapedSlash(only);
  if (escaped && rules.escaped_slashes == EscapedSlashes::kReject) {
    return {PathVerdict::kRefused, {}};
  }
  if (!MayChange(only, rules, escaped)) return {PathVerdict::kAccepted, path};
  char* const text = static_cast<char*>(arena.Allocate(path.size() + 1, 1));
  std::memcpy(text, only.data(), only.size());
  size_t size = Decode(text, only.size(), rules.normalize, escaped);
  if (rules.normalize) size = RemoveDotSegments(text, size);
  if (rules.merge_slashes) size = MergeSlashes(text, size);
  const std::string_view query = path.substr(only.size());
  std::memcpy(text + size, query.data(), query.size());
  const std::string_view normal(text, size + query.size());
  // Decoding must not have produced what is refused above.
  if (IsBad(normal)) return {PathVerdict::kRefused, {}};
  const bool redirected = escaped && rules.escaped_slashes == EscapedSlashes::kRedirect;
  return {redirected ? PathVerdict::kRedirected : PathVerdict::kAccepted, normal};
}

std::string_view HostOf(std::string_view authority) {
  if (!authority.empty() && authority[0] == '[') {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(0, end + 1);
  }
  return authority.substr(0, authority.rfind(':'));
}

std::optional<std::string_view> NormalizeAuthority(std::string_view authority, Arena& arena) {
  std::string_view host = HostOf(authority);
  std::string_view rest = authority.substr(host.size());
  if (!rest.empty() && (rest[0] != ':' || !IsPort(rest.substr(1)))) return std::nullopt;
  if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) return std::nullopt;
  const bool literal = !host.empty() && host[0] == '[';
  if (literal ? host.back() != ']' : host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.ends_with('.')) return std::nullopt;
  const bool upper =
      std::any_of(host.begin(), host.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!upper && host.size() + rest.size() == authority.size()) return authority;
  char* const text = static_cast<char*>(arena.Allocate(host.size() + rest.size(), 1));
  std::transform(host.begin(), host.end(), text,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::memcpy(text + host.size(), rest.data(), rest.size());
  return std::string_view(text, host.size() + rest.size());
}

}  // namespace tulle::route
