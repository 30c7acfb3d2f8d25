#include "control-plane/policy/text_format.h"

#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "certs/spiffe_names.h"
#include "control-plane/policy/names.h"

namespace tulle::policy {
namespace {

constexpr std::string_view kLabelHint =
    "use lower-case letters, digits and -, at most 63 characters";
constexpr std::string_view kHeaderHint = "use letters, digits and -";

bool IsRouteHost(std::string_view host) {
  return IsDnsName(host.starts_with("*.") ? host.substr(2) : host);
}

bool IsMethod(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// An identifier of a protocol buffers file.
bool IsIdentifier(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
         });
}

bool IsRpcMethod(std::string_view text) {
  return text.size() <= kLongestPath && IsIdentifier(text);
}

bool IsRpcService(std::string_view text) {
  if (text.size() > kLongestPath) return false;
  if (text.starts_with('.')) text.remove_prefix(1);
  while (true) {
    const size_t dot = text.find('.');
    if (!IsIdentifier(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool IsHashedHeader(std::string_view name) {
  return IsToken(name) || name == ":authority" || name == ":method" || name == ":path";
}

bool IsReplacementPath(std::string_view text) {
  return IsRequestPath(text) && text.find_first_of("?#") == std::string_view::npos;
}

bool IsCookiePath(std::string_view text) {
  return IsRequestPath(text) && text.find(';') == std::string_view::npos;
}

bool IsPrincipal(std::string_view text) {
  if (text == "*") return true;
  if (text.ends_with("*")) text.remove_suffix(1);
  if (text.find('*') != std::string_view::npos) return false;
  return text.starts_with(certs::kSpiffeScheme) || text.starts_with("ns/");
}

bool IsPathPattern(std::string_view path) {
  const size_t star = path.find('*');
  return path.starts_with('/') && (star == std::string_view::npos || star + 1 == path.size()) &&
         path.find_first_of("?#%") == std::string_view::npos;
}

bool IsHostAndPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const std::string port(text.substr(colon + 1));
  const bool digits =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || port.size() > 5 || std::atoi(port.c_str()) < 1 || std::atoi(port.c_str()) > 65535)
    return false;
  const std::string_view host = text.substr(0, colon);
  const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return v6 ? IsIpAddress(host.substr(1, host.size() - 2)) : IsDnsName(host);
}

std::optional<Fault> RefuseMeshRouteHost(const std::string& host) {
  if (!IsMeshName(host)) return std::nullopt;
  return Fault{"host name " + Quoted(host) + " belongs to the mesh",
               "remove it: the parents are always reached by their own names"};
}

// Callers would send to it in plaintext what they mean for a service of the mesh.
std::optional<Fault> RefuseMeshHost(const std::string& host) {
  if (!IsMeshName(host) && !host.ends_with(".svc")) return std::nullopt;
  return Fault{"host name " + Quoted(host) + " belongs to the mesh",
               "use the name of a host outside of the mesh"};
}

// An address, and a path that may be absent.
bool IsCollector(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  return IsHostAndPort(text.substr(0, slash)) &&
         (slash == text.size() || IsReplacementPath(text.substr(slash)));
}

std::optional<Fault> RefuseMeshCollector(const std::string& text) {
  const std::string address = text.substr(0, text.find('/'));
  if (!IsHostAndPort(address) || !IsMeshName(address.substr(0, address.rfind(':'))))
    return std::nullopt;
  return Fault{"host name in " + Quoted(address) +
                   " belongs to the mesh, and sidecars do not resolve such names by DNS",
               "use the collector's IP address, or a name from outside of the mesh"};
}

// Framing and routing belong to the proxy: changing them here would smuggle requests.
std::optional<Fault> RefuseReservedHeader(const std::string& name) {
  static constexpr std::string_view kReserved[] = {
      "host", "connection", "content-length", "keep-alive",        "proxy-connection",
      "te",   "trailer",    "upgrade",        "transfer-encoding", "x-forwarded-client-cert"};
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (std::find(std::begin(kReserved), std::end(kReserved), lower) == std::end(kReserved))
    return std::nullopt;
  return Fault{"header " + Quoted(name) + " is set by the proxy", "choose another header"};
}

}  // namespace

std::optional<Fault> TextFormat::Check(const std::string& text) const {
  if (refuse != nullptr) {
    if (std::optional<Fault> fault = refuse(text)) return fault;
  }
  if (is_valid == nullptr || is_valid(text)) return std::nullopt;
  return Fault{"invalid " + std::string(name) + " " + Quoted(text), std::string(hint)};
}

const TextFormat kAnyText = {"", "write its value"};
const TextFormat kDnsName = {
    "name", "use lower-case letters, digits, - and ., at most 253 characters", IsDnsName};
const TextFormat kDnsLabel = {"name", kLabelHint, IsDnsLabel};
const TextFormat kServiceName = {"Service name", kLabelHint, IsDnsLabel};
const TextFormat kNamespaceName = {"namespace", kLabelHint, IsDnsLabel};
const TextFormat kHostName = {"host name", "use lower case and no port", IsDnsName};
const TextFormat kRouteHostName = {"host name",
                                   "use lower case and no port; *.example.org is allowed",
                                   IsRouteHost, RefuseMeshRouteHost};
const TextFormat kExternalHostName = {"host name", "use lower case, no port and no *", IsDnsName,
                                      RefuseMeshHost};
const TextFormat kIpAddressText = {
    "IP address", "remove endpoints to have the first host resolved by DNS", IsIpAddress};
const TextFormat kCollector = {"HOST:PORT[/PATH]",
                               "use an address like 10.0.0.7:4317 or 10.0.0.7:4318/v1/traces",
                               IsCollector, RefuseMeshCollector};
const TextFormat kMethod = {"HTTP method", "use upper case, like GET or POST", IsMethod};
const TextFormat kRpcService = {
    "gRPC service", "use its full name, like shop.v1.Cart, at most 1024 characters", IsRpcService};
const TextFormat kRpcMethod = {"gRPC method", "use letters, digits and _, at most 1024 characters",
                               IsRpcMethod};
const TextFormat kHeaderName = {"header name", kHeaderHint, IsToken};
const TextFormat kChangeableHeader = {"header name", kHeaderHint, IsToken, RefuseReservedHeader};
const TextFormat kHashedHeader = {
    "header name", "use letters, digits and -, or one of :authority, :method and :path",
    IsHashedHeader};
const TextFormat kHeaderText = {"header value", "use no control characters and at most 4096 bytes",
                                IsHeaderValue};
const TextFormat kReplacementPath = {
    "path", "begin with /, without ?, # and blanks, at most 1024 bytes", IsReplacementPath};
const TextFormat kCookieName = {"cookie name", "use letters, digits, - and _", IsToken};
const TextFormat kCookiePath = {"cookie path", "begin with /, without ; and blanks", IsCookiePath};
const TextFormat kLocality = {
    "locality", "use REGION, REGION/ZONE or REGION/ZONE/SUBZONE, like --locality of the sidecars",
    IsLocality};
const TextFormat kPrincipal = {
    "identity",
    "use spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT or ns/NAMESPACE/sa/ACCOUNT, which may end in *, "
    "or \"*\" for every authenticated caller",
    IsPrincipal};
const TextFormat kPathPattern = {
    "path", "begin with /; a * is allowed at the end only; ?, # and % are not allowed",
    IsPathPattern};

std::optional<Fault> CheckRegex(const std::string& text) {
  constexpr int kMaxSteps = 10000;  // what the sidecars take
  constexpr size_t kMaxBytes = 1024;
  if (text.empty()) return Fault{"empty regular expression", "use .* to match everything"};
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 regex(text.size() <= kMaxBytes ? text : "(", options);
  if (!regex.ok()) {
    const bool is_long = text.size() > kMaxBytes;
    return Fault{
        is_long ? "regular expression is too long" : "invalid regular expression: " + regex.error(),
        "use RE2 syntax: no back references, at most 1024 bytes"};
  }
  if (regex.ProgramSize() > kMaxSteps) {
    return Fault{"regular expression is too large",
                 "repeat less, or use * and + instead of counts like {100}"};
  }
  return std::nullopt;
}

}  // namespace tulle::policy
