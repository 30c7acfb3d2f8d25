#include "k8s/init/names.h"

#include <arpa/inet.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <sstream>

namespace tulle::init {
namespace {

std::optional<uint32_t> ParseV4(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

// `range` is ADDRESS/BITS.
bool IsIn(const std::string& range, const std::string& address) {
  const size_t slash = range.find('/');
  const auto base = ParseV4(range.substr(0, slash));
  const auto wanted = ParseV4(address);
  if (!base || !wanted) return false;
  const int bits = slash == std::string::npos ? 32 : std::atoi(range.c_str() + slash + 1);
  const uint32_t mask = bits == 0 ? 0 : ~uint32_t{0} << (32 - bits);
  return (*base & mask) == (*wanted & mask);
}

bool HasNameServer(const std::string& resolv_conf) {
  std::istringstream lines(resolv_conf);
  std::string line, word, address;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    if (words >> word >> address && word == "nameserver") return true;
  }
  return false;
}

bool HasServices(const std::string& hosts, const std::string& vip_range) {
  std::istringstream lines(hosts);
  std::string line, address, name;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    if (words >> address >> name && IsIn(vip_range, address)) return true;
  }
  return false;
}

}  // namespace

Check CheckNames(const std::string& resolv_conf, const std::string& hosts,
                 const std::string& vip_range) {
  Check check{"names of services are in /etc/hosts", Check::Outcome::kPassed, ""};
  const bool has_resolver = HasNameServer(resolv_conf);
  if (!HasServices(hosts, vip_range)) {
    check.outcome = Check::Outcome::kSkipped;
    check.detail = "there are none yet: run `tullectl hosts --write /etc/hosts`";
  }
  if (has_resolver) return check;
  if (!check.detail.empty()) check.detail += ". ";
  check.detail +=
      "No DNS server is configured in /etc/resolv.conf: the sidecar's --control must be an "
      "address, and ExternalServices with resolution DNS need its --dns-servers";
  return check;
}

}  // namespace tulle::init
