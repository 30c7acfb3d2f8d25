// Hashes requests by header, cookie, query parameter or address.
#include "sidecar/route/hash_policy.h"

#include <arpa/inet.h>

#include <bit>
#include <charconv>

#include "net/hash/xx_hash.h"
#include "sidecar/route/query.h"

namespace tulle::route {
namespace {

using http::HeaderId;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> HashOfHeader(const http::Head& request, std::string_view name) {
  if (name == ":authority") return hash::XxHash64(request.authority);
  if (name == ":path") return hash::XxHash64(request.path);
  if (name == ":method") return hash::XxHash64(request.method);
  std::optional<uint64_t> sum;
  for (const http::Header& header : request.headers.all()) {
    if (http::EqualsIgnoreCase(header.name, name))
      sum = hash::XxHash64(header.value, sum.value_or(0));
  }
  return sum;
}

std::optional<uint64_t> HashOfCookie(const HashSpec& policy, const http::Head& request,
                                     std::string_view fresh_cookie) {
  const std::string_view value = CookieValue(request, policy.name);
  if (!value.empty()) return hash::XxHash64(value);
  if (policy.ttl) return hash::XxHash64(fresh_cookie);
  return std::nullopt;
}

std::optional<uint64_t> HashOfQuery(const http::Head& request, std::string_view name) {
  const size_t mark = request.path.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  const auto value = QueryValue(request.path.substr(mark + 1), name);
  if (!value) return std::nullopt;
  return hash::XxHash64(*value);
}

std::optional<uint64_t> HashOfOne(const HashSpec& policy, const http::Head& request,
                                  const SocketAddress& peer, std::string_view fresh_cookie) {
  switch (policy.kind) {
    case HashSpec::Kind::kHeader:
      return HashOfHeader(request, policy.name);
    case HashSpec::Kind::kCookie:
      return HashOfCookie(policy, request, fresh_cookie);
    case HashSpec::Kind::kSourceIp:
      return HashOfIp(peer);
    case HashSpec::Kind::kQueryParameter:
      return HashOfQuery(request, policy.name);
  }
  return std::nullopt;
}

}  // namespace

uint64_t HashOfIp(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN];
  const std::string_view bytes = address.ip_bytes();
  if (inet_ntop(address.is_v6() ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text) == nullptr)
    return 0;
  return hash::XxHash64(text);
}

std::optional<uint64_t> HashOf(const std::vector<HashSpec>& policies, const http::Head& request,
                               const SocketAddress& peer, std::string_view fresh_cookie) {
  std::optional<uint64_t> mixed;
  for (const HashSpec& policy : policies) {
    if (const auto one = HashOfOne(policy, request, peer, fresh_cookie))
      mixed = mixed ? std::rotl(*mixed, 1) ^ *one : *one;
    if (policy.terminal && mixed) break;
  }
  return mixed;
}

std::string_view CookieValue(const http::Head& request, std::string_view name) {
  for (const http::Header& header : request.headers.all()) {
    if (header.id != HeaderId::kCookie) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const size_t end = rest.find(';');
      const std::string_view pair = Trimmed(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      const size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return {};
}

void AddCookies(const std::vector<HashSpec>& policies, const http::Head& request,
                std::string_view fresh_cookie, http::HeaderMap& response) {
  for (const HashSpec& policy : policies) {
    if (policy.kind != HashSpec::Kind::kCookie || !policy.ttl) continue;
    if (!CookieValue(request, policy.name).empty()) continue;
    Arena& arena = response.arena();
    char digits[20];
    const char* end = std::to_chars(digits, digits + sizeof digits, policy.ttl->count()).ptr;
    const std::string_view seconds(digits, static_cast<size_t>(end - digits));
    const bool lasts = policy.ttl->count() > 0;
    response.Add("set-cookie", arena.Concat(policy.name, "=\"", fresh_cookie, "\"",
                                            lasts ? "; Max-Age=" : "", lasts ? seconds : "",
                                            policy.path.empty() ? "" : "; Path=", policy.path,
                                            policy.attributes, "; HttpOnly"));
  }
}

std::string_view FreshCookie(const SocketAddress& peer, const SocketAddress& local, Arena& arena) {
  constexpr char kDigits[] = "0123456789abcdef";
  uint64_t bits = hash::XxHash64(local.ip_bytes(), local.port());
  bits = hash::XxHash64(peer.ip_bytes(), bits + peer.port());
  char* text = arena.NewArray<char>(16);
  for (int i = 0; i < 16; ++i) text[i] = kDigits[(bits >> (60 - 4 * i)) & 15];
  return {text, 16};
}

}  // namespace tulle::route
