#pragma once

#include <cstdint>
#include <optional>

namespace tulle::loop {

// loop::Socket::AcknowledgedBytes of a descriptor. Separate from uv_socket.cc because the counter
// is only in the kernel's <linux/tcp.h>, which clashes with the C library's header that libuv
// includes.
std::optional<uint64_t> AcknowledgedBytesOf(int descriptor);

}  // namespace tulle::loop
