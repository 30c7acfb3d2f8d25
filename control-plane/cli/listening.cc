#include "control-plane/cli/listening.h"

#include <fstream>
#include <sstream>

namespace tulle::cli {
namespace {

constexpr char kListening[] = "0A";  // TCP_LISTEN

// Addresses are words of 32 bits in the order of the host's bytes.
bool IsLoopback(const std::string& address) {
  const bool is_v4 = address.size() == 8;
  const bool is_mapped = address.starts_with("0000000000000000FFFF0000");
  if (is_v4 || is_mapped) return address.ends_with("7F");
  return address == "00000000000000000000000001000000";
}

std::string ReadTable(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::optional<ListensOn> FindListener(const std::string& table, uint16_t port) {
  std::istringstream lines(table);
  std::optional<ListensOn> found;
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state;
    words >> number >> local >> remote >> state;
    const size_t colon = local.find(':');
    if (state != kListening || colon == std::string::npos) continue;
    if (std::strtoul(local.c_str() + colon + 1, nullptr, 16) != port) continue;
    if (!IsLoopback(local.substr(0, colon))) return ListensOn::kOtherAddresses;
    found = ListensOn::kLoopback;
  }
  return found;
}

std::optional<ListensOn> FindListener(uint16_t port) {
  const auto v4 = FindListener(ReadTable("/proc/net/tcp"), port);
  if (v4 == ListensOn::kOtherAddresses) return v4;
  const auto v6 = FindListener(ReadTable("/proc/net/tcp6"), port);
  return v6 ? v6 : v4;
}

}  // namespace tulle::cli
