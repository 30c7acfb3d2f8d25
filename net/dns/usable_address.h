#pragma once

#include <optional>

#include "net/base/socket_address.h"

namespace tulle::dns {

// What of a DNS answer may be dialled. Unset, link-local (metadata services live there) and
// multicast addresses and our own virtual ones are nobody's service, whoever says so: empty. An
// IPv4 address that stands in an IPv6 one is judged as what it is: ::ffff:a.b.c.d, which the kernel
// dials by IPv4, becomes IPv4; 64:ff9b::a.b.c.d (NAT64) stays if a.b.c.d may be dialled; the old
// forms of RFC 4291 section 2.5.5.1 and RFC 2765 are refused. Pure.
std::optional<SocketAddress> UsableAddress(const SocketAddress& address);

}  // namespace tulle::dns
