// Values of the flight recorder's records. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/recorder/record.h"

namespace tulle::proxy {

// Nanoseconds; at least 1 for what was reached: 0 stands for what was not.
inline uint64_t Since(loop::Instant start, loop::Instant at) {
  if (at == loop::Instant()) return 0;
  return at <= start ? 1 : static_cast<uint64_t>((at - start).count());
}

inline int64_t UnixNanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void PutSource(const SocketAddress& address, recorder::Numbers& numbers);
void PutEndpoint(const SocketAddress& address, recorder::Numbers& numbers);

}  // namespace tulle::proxy
