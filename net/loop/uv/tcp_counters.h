#pragma once

#include <cstdint>
#include <optional>

namespace tulle::loop {

// loop::Socket::AcknowledgedBytes of a descriptor. Apart from uv_socket.cc, since the kernel's own
// <linux/tcp.h>, which alone has the counter, clashes with the C library's header that libuv
// includes.
std::optional<uint64_t> AcknowledgedBytesOf(int descriptor);

}  // namespace tulle::loop
