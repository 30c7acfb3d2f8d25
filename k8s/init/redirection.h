// What redirection means, as input of iptables-restore. Pure. Source: wire facts of iptables' nat
// table; the order of the rules is explained in redirection.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::init {

enum class Family { kV4, kV6 };

// The rules of PREROUTING and OUTPUT that lead to ours, and the chains of ours that redirect.
inline constexpr std::string_view kInboundJump =
    "-p tcp -m addrtype --dst-type LOCAL -j TULLE_INBOUND";
inline constexpr std::string_view kOutboundJump = "-p tcp -j TULLE_OUTPUT";
inline constexpr std::string_view kRedirectingChains[] = {"TULLE_REDIRECT", "TULLE_IN_REDIRECT"};

// What comes in for these is never redirected: the control plane's ports, without which a sidecar
// on its host or elsewhere would get no configuration, and the sidecar's own health and metrics.
inline constexpr uint16_t kMeshPorts[] = {15012, 15014, 15016, 15017, 15021, 15090};

struct Redirection {
  uint16_t outbound_port = 15001;
  uint16_t inbound_port = 15006;
  std::string vip_range = "240.240.0.0/16";  // of the control plane; empty: none

  // Whose connections are left alone: the sidecar's own first of all.
  std::vector<uint32_t> uids = {1337};
  std::vector<uint32_t> gids = {1337};

  std::vector<uint16_t> include_inbound_ports;  // empty: all
  std::vector<uint16_t> exclude_inbound_ports;  // beside kMeshPorts
  std::vector<uint16_t> exclude_outbound_ports;
  std::vector<std::string> include_outbound_ranges;  // ADDRESS[/BITS]; empty: everywhere
  std::vector<std::string> exclude_outbound_ranges;
};

bool IsOf(Family family, std::string_view range);
// ADDRESS or ADDRESS/BITS of either family.
bool IsRange(std::string_view text);

// Sets the rules, whatever `saved` (what iptables-save -t nat says now) already holds of them: one
// transaction, so that no connection sees half of them.
std::string RulesFor(const Redirection& redirection, Family family, std::string_view saved);
// Takes every rule and chain of ours away; empty: there is none.
std::string RemovalOf(std::string_view saved);

}  // namespace tulle::init
