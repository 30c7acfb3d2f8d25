#pragma once

#include <optional>

#include "net/base/socket_address.h"

namespace tulle::dns {

// Returns the address of a DNS answer that may be dialled, or empty. Unspecified, link-local
// (metadata services use them), multicast and our own virtual addresses never belong to a service,
// whatever the DNS server says. An IPv4 address embedded in an IPv6 address is checked as IPv4:
// ::ffff:a.b.c.d, which the kernel dials by IPv4, becomes IPv4; 64:ff9b::a.b.c.d (NAT64) stays if
// a.b.c.d may be dialled; the obsolete forms of RFC 4291 section 2.5.5.1 and RFC 2765 are refused.
// Pure.
std::optional<SocketAddress> UsableAddress(const SocketAddress& address);

}  // namespace tulle::dns
