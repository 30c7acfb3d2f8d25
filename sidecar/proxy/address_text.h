#pragma once

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

#include "net/base/socket_address.h"

namespace tulle::proxy {

enum class Shown { kHost, kBoth };

// SocketAddress::ToString allocates; this writes to `scratch`. Empty for an unset address.
inline std::string_view ShowAddress(const SocketAddress& address, Shown shown,
                                    std::span<char> scratch) {
  if (!address.is_set() || scratch.size() < INET6_ADDRSTRLEN + 8) return {};
  char* out = scratch.data();
  const bool brackets = address.is_v6() && shown == Shown::kBoth;
  if (brackets) *out++ = '[';
  const int family = address.is_v6() ? AF_INET6 : AF_INET;
  if (inet_ntop(family, address.ip_bytes().data(), out, INET6_ADDRSTRLEN) == nullptr) return {};
  out += std::strlen(out);
  if (brackets) *out++ = ']';
  if (shown == Shown::kBoth) {
    *out++ = ':';
    out = std::to_chars(out, scratch.data() + scratch.size(), address.port()).ptr;
  }
  return {scratch.data(), static_cast<size_t>(out - scratch.data())};
}

// Room for one address.
class AddressText {
 public:
  std::string_view Host(const SocketAddress& address) {
    return ShowAddress(address, Shown::kHost, room_);
  }

 private:
  std::array<char, INET6_ADDRSTRLEN + 8> room_;
};

}  // namespace tulle::proxy
