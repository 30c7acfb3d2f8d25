// Which addresses of this host a program listens on, as the kernel has it. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tulle::cli {

enum class ListensOn { kLoopback, kOtherAddresses };

// Nullopt: nothing listens on the port yet. `table` has the form of /proc/net/tcp or tcp6.
std::optional<ListensOn> FindListener(const std::string& table, uint16_t port);
// In this network namespace.
std::optional<ListensOn> FindListener(uint16_t port);

}  // namespace tulle::cli
