#include "net/dns/usable_address.h"

#include <netinet/in.h>

#include <cstring>
#include <string_view>

namespace tulle::dns {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kMapped = "\0\0\0\0\0\0\0\0\0\0\xff\xff"sv;
constexpr std::string_view kNat64 = "\0\x64\xff\x9b\0\0\0\0\0\0\0\0"sv;
// 64:ff9b:1::/48 (RFC 8215): each network chooses where the IPv4 address is placed.
constexpr std::string_view kOwnNat64 = "\0\x64\xff\x9b\0\1"sv;

unsigned char At(std::string_view ip, size_t i) { return static_cast<unsigned char>(ip[i]); }

bool IsUsable4(std::string_view ip) {
  const bool is_link_local = At(ip, 0) == 169 && At(ip, 1) == 254;
  // From 224 on: multicast, then reserved addresses, which include our virtual addresses.
  return At(ip, 0) != 0 && !is_link_local && At(ip, 0) < 224;
}

bool IsUsable6(const SocketAddress& address) {
  const std::string_view ip = address.ip_bytes();
  if (address.is_loopback()) return true;
  if (ip.starts_with(kNat64)) return IsUsable4(ip.substr(kNat64.size()));
  // The rest of ::/8 is unspecified, or embeds IPv4 in an obsolete form.
  if (At(ip, 0) == 0) return ip.starts_with(kOwnNat64);
  const bool is_link_local = At(ip, 0) == 0xfe && (At(ip, 1) & 0xc0) == 0x80;
  return !is_link_local && At(ip, 0) != 0xff;
}

SocketAddress FromBytes4(std::string_view ip) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  std::memcpy(&v4.sin_addr, ip.data(), sizeof v4.sin_addr);
  return SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&v4));
}

}  // namespace

std::optional<SocketAddress> UsableAddress(const SocketAddress& address) {
  if (!address.is_set()) return std::nullopt;
  const std::string_view ip = address.ip_bytes();
  if (address.is_v6() && ip.starts_with(kMapped)) {
    return UsableAddress(FromBytes4(ip.substr(kMapped.size())).WithPort(address.port()));
  }
  const bool is_usable = address.is_v6() ? IsUsable6(address) : IsUsable4(ip);
  return is_usable ? std::optional(address) : std::nullopt;
}

}  // namespace tulle::dns
