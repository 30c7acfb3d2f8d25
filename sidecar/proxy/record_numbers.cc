#include "sidecar/proxy/record_numbers.h"

#include <netinet/in.h>

#include <array>
#include <cstring>

namespace tulle::proxy {
namespace {

// Returns the bytes of its IP address; 0: it is unset.
uint8_t Put(const SocketAddress& address, std::array<uint8_t, 16>& ip, uint16_t& port) {
  if (!address.is_set()) return 0;
  if (address.is_v6()) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address.get());
    std::memcpy(ip.data(), &v6->sin6_addr, 16);
    port = ntohs(v6->sin6_port);
    return 16;
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(address.get());
  std::memcpy(ip.data(), &v4->sin_addr, 4);
  port = ntohs(v4->sin_port);
  return 4;
}

}  // namespace

void PutSource(const SocketAddress& address, recorder::Numbers& numbers) {
  numbers.source_ip_size = Put(address, numbers.source_ip, numbers.source_port);
}

void PutEndpoint(const SocketAddress& address, recorder::Numbers& numbers) {
  numbers.endpoint_ip_size = Put(address, numbers.endpoint_ip, numbers.endpoint_port);
}

}  // namespace tulle::proxy
