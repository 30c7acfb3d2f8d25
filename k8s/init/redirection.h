// The redirection rules as input of iptables-restore. Pure. Source: behaviour of iptables' nat
// table; the order of the rules is explained in redirection.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::init {

enum class Family { kV4, kV6 };

// The rules of PREROUTING and OUTPUT that jump to our chains, and our chains that redirect.
inline constexpr std::string_view kInboundJump =
    "-p tcp -m addrtype --dst-type LOCAL -j TULLE_INBOUND";
inline constexpr std::string_view kOutboundJump = "-p tcp -j TULLE_OUTPUT";
inline constexpr std::string_view kRedirectingChains[] = {"TULLE_REDIRECT", "TULLE_IN_REDIRECT"};

// Inbound ports that are never redirected: the control plane's ports, without which a sidecar on
// its host or elsewhere would get no configuration, and the sidecar's own health and metrics ports.
inline constexpr uint16_t kMeshPorts[] = {15012, 15014, 15016, 15017, 15021, 15090};

struct Redirection {
  uint16_t outbound_port = 15001;
  uint16_t inbound_port = 15006;
  std::string vip_range = "240.240.0.0/16";  // of the control plane; empty: none

  // Users whose connections are not redirected, above all the sidecar's own.
  std::vector<uint32_t> uids = {1337};
  std::vector<uint32_t> gids = {1337};

  std::vector<uint16_t> include_inbound_ports;  // empty: all
  std::vector<uint16_t> exclude_inbound_ports;  // besides kMeshPorts
  std::vector<uint16_t> exclude_outbound_ports;
  std::vector<std::string> include_outbound_ranges;  // ADDRESS[/BITS]; empty: everywhere
  std::vector<std::string> exclude_outbound_ranges;
};

bool IsOf(Family family, std::string_view range);
// Whether the address is in the range; false too if it is of the other family.
bool IsIn(std::string_view range, const std::string& address);
// ADDRESS or ADDRESS/BITS of either family.
bool IsRange(std::string_view text);

// Input that sets the rules, given the current `saved` rules (iptables-save -t nat), in one
// transaction, so that no connection sees a partial set.
std::string RulesFor(const Redirection& redirection, Family family, std::string_view saved);
// Input that removes all our rules and chains; empty: there are none.
std::string RemovalOf(std::string_view saved);

}  // namespace tulle::init
