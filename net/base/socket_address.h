#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tulle {

// An IPv4 or IPv6 address with a port: a plain value.
class SocketAddress {
 public:
  SocketAddress() = default;
  static SocketAddress FromSockaddr(const sockaddr* address);
  // `host` is an IP literal (no name, no brackets).
  static std::optional<SocketAddress> Parse(std::string_view host, uint16_t port);
  // "1.2.3.4:80" or "[::1]:80".
  static std::optional<SocketAddress> ParseWithPort(std::string_view text);
  static SocketAddress Loopback4(uint16_t port);
  static SocketAddress Any4(uint16_t port);

  bool is_set() const { return storage_.ss_family != AF_UNSPEC; }
  bool is_v6() const { return storage_.ss_family == AF_INET6; }
  bool is_loopback() const;
  uint16_t port() const;
  SocketAddress WithPort(uint16_t port) const;
  std::string host() const;
  std::string ToString() const;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

  // Bytes of the address without the port, for prefix matches: 4 or 16.
  std::string_view ip_bytes() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) { return (a <=> b) == 0; }
  friend std::strong_ordering operator<=>(const SocketAddress& a, const SocketAddress& b);

 private:
  union {
    sockaddr_in6 v6_{};
    sockaddr_in v4_;
    struct {
      sa_family_t ss_family;
    } storage_;
  };
};

}  // namespace tulle
