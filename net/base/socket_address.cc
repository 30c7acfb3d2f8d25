#include "net/base/socket_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace tulle {

SocketAddress SocketAddress::FromSockaddr(const sockaddr* address) {
  SocketAddress result;
  if (address->sa_family == AF_INET) {
    std::memcpy(&result.v4_, address, sizeof(sockaddr_in));
  } else if (address->sa_family == AF_INET6) {
    std::memcpy(&result.v6_, address, sizeof(sockaddr_in6));
  }
  return result;
}

std::optional<SocketAddress> SocketAddress::Parse(std::string_view host, uint16_t port) {
  char text[INET6_ADDRSTRLEN];
  if (host.empty() || host.size() >= sizeof text) return std::nullopt;
  // inet_pton() would not see what follows it.
  if (host.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(text, host.data(), host.size());
  text[host.size()] = 0;
  SocketAddress result;
  if (inet_pton(AF_INET, text, &result.v4_.sin_addr) == 1) {
    result.v4_.sin_family = AF_INET;
    return result.WithPort(port);
  }
  result = SocketAddress();
  if (inet_pton(AF_INET6, text, &result.v6_.sin6_addr) != 1) return std::nullopt;
  result.v6_.sin6_family = AF_INET6;
  return result.WithPort(port);
}

std::optional<SocketAddress> SocketAddress::ParseWithPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  if (bracketed) host = host.substr(1, host.size() - 2);
  return Parse(host, port);
}

SocketAddress SocketAddress::Loopback4(uint16_t port) { return *Parse("127.0.0.1", port); }
SocketAddress SocketAddress::Any4(uint16_t port) { return *Parse("0.0.0.0", port); }

bool SocketAddress::is_loopback() const {
  if (is_v6()) return IN6_IS_ADDR_LOOPBACK(&v6_.sin6_addr);
  return is_set() && (ntohl(v4_.sin_addr.s_addr) >> 24) == 127;
}

uint16_t SocketAddress::port() const { return is_set() ? ntohs(v4_.sin_port) : 0; }

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  SocketAddress result = *this;
  result.v4_.sin_port = htons(port);  // the port is at the same offset in both families
  return result;
}

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (!is_set()) return "-";
  const void* ip = is_v6() ? static_cast<const void*>(&v6_.sin6_addr) : &v4_.sin_addr;
  inet_ntop(storage_.ss_family, ip, text, sizeof text);
  return text;
}

std::string SocketAddress::ToString() const {
  if (!is_set()) return "-";
  const std::string port_text = std::to_string(port());
  return is_v6() ? "[" + host() + "]:" + port_text : host() + ":" + port_text;
}

std::string_view SocketAddress::ip_bytes() const {
  if (is_v6()) return {reinterpret_cast<const char*>(&v6_.sin6_addr), 16};
  if (is_set()) return {reinterpret_cast<const char*>(&v4_.sin_addr), 4};
  return {};
}

std::strong_ordering operator<=>(const SocketAddress& a, const SocketAddress& b) {
  if (auto order = a.storage_.ss_family <=> b.storage_.ss_family; order != 0) return order;
  if (int order = a.ip_bytes().compare(b.ip_bytes()); order != 0) return order <=> 0;
  return a.port() <=> b.port();
}

}  // namespace tulle
