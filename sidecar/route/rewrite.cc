#include "sidecar/route/rewrite.h"

#include <re2/re2.h>

#include <charconv>
#include <string>

#include "sidecar/route/path.h"

namespace tulle::route {
namespace {

std::string_view Rewritten(const Route& route, const std::string& prefix,
                           const std::optional<RegexRewrite>& regex, std::string_view path,
                           Arena& arena) {
  const std::string_view only = PathOnly(path);
  const std::string_view query = path.substr(only.size());
  if (!prefix.empty()) {
    return arena.Concat(prefix, only.substr(route.path().MatchedLength(only)), query);
  }
  if (!regex) return path;
  std::string text(only);
  re2::RE2::GlobalReplace(&text, *route.rewrite_regex(), regex->substitution);
  return arena.Concat(text, query);
}

}  // namespace

std::string_view RewrittenPath(const Route& route, std::string_view path, Arena& arena) {
  const ForwardSpec* forward = route.forward();
  if (forward == nullptr) return path;
  return Rewritten(route, forward->prefix_rewrite, forward->regex_rewrite, path, arena);
}

std::string_view RedirectLocation(const Route& route, const http::Head& head,
                                  std::string_view scheme, Arena& arena) {
  const RedirectSpec& redirect = *route.redirect();
  std::string_view path = head.path;
  std::string_view query;
  if (!redirect.path.empty()) {
    path = redirect.path;
    const bool own_query = path.find('?') != std::string_view::npos;
    if (!own_query && !redirect.strip_query) query = head.path.substr(PathOnly(head.path).size());
  } else {
    if (redirect.strip_query) path = PathOnly(path);
    path = Rewritten(route, redirect.prefix_rewrite, redirect.regex_rewrite, path, arena);
  }
  const std::string_view to_scheme = redirect.scheme.empty() ? scheme : redirect.scheme;
  const bool changes_scheme = to_scheme != scheme;
  std::string_view host = HostOf(head.authority);
  std::string_view port = head.authority.substr(host.size());
  // The default port of another scheme is not kept.
  if (changes_scheme && (port == ":80" || port == ":443")) port = {};
  if (!redirect.host.empty()) {
    host = HostOf(redirect.host);
    const std::string_view own_port = std::string_view(redirect.host).substr(host.size());
    if (!own_port.empty()) port = own_port;
  }
  char digits[8] = {':'};
  if (redirect.port != 0) {
    const auto end = std::to_chars(digits + 1, digits + sizeof digits, redirect.port).ptr;
    port = {digits, static_cast<size_t>(end - digits)};
  }
  return arena.Concat(to_scheme, std::string_view("://"), host, port, path, query);
}

}  // namespace tulle::route
