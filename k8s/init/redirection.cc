// Generates the redirection rules for iptables-restore.
#include "k8s/init/redirection.h"

#include <arpa/inet.h>

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "k8s/init/saved_rules.h"

namespace tulle::init {
namespace {

constexpr std::string_view kInbound = "TULLE_INBOUND";
constexpr std::string_view kInRedirect = "TULLE_IN_REDIRECT";
constexpr std::string_view kOutput = "TULLE_OUTPUT";
constexpr std::string_view kRedirect = "TULLE_REDIRECT";
constexpr std::string_view kVip = "TULLE_VIP";
constexpr std::string_view kChains[] = {kInbound, kInRedirect, kOutput, kRedirect, kVip};

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

class Rules {
 public:
  explicit Rules(Family family) : family_(family) {}

  void Append(std::string_view chain, std::string_view rule) {
    absl::StrAppend(&text_, "-A ", View(chain), " ", View(rule), "\n");
  }
  void Line(std::string_view line) { absl::StrAppend(&text_, View(line), "\n"); }
  // An address of this family.
  std::string_view Pick(std::string_view v4, std::string_view v6) const {
    return family_ == Family::kV4 ? v4 : v6;
  }
  Family family() const { return family_; }
  std::string Take() { return std::move(text_); }

 private:
  Family family_;
  std::string text_;
};

void AppendOwners(const Redirection& redirection, std::string_view chain, Rules* rules) {
  for (const uint32_t uid : redirection.uids) {
    rules->Append(chain, absl::StrCat("-m owner --uid-owner ", uid, " -j RETURN"));
  }
  for (const uint32_t gid : redirection.gids) {
    rules->Append(chain, absl::StrCat("-m owner --gid-owner ", gid, " -j RETURN"));
  }
}

template <typename Ports>
void AppendPorts(const Ports& ports, std::string_view chain, Rules* rules) {
  for (const uint16_t port : ports) {
    rules->Append(chain, absl::StrCat("-p tcp --dport ", port, " -j RETURN"));
  }
}

void AppendInbound(const Redirection& redirection, Rules* rules) {
  AppendPorts(kMeshPorts, kInbound, rules);
  AppendPorts(redirection.exclude_inbound_ports, kInbound, rules);
  if (redirection.include_inbound_ports.empty()) {
    rules->Append(kInbound, absl::StrCat("-p tcp -j ", View(kInRedirect)));
  }
  for (const uint16_t port : redirection.include_inbound_ports) {
    rules->Append(kInbound, absl::StrCat("-p tcp --dport ", port, " -j ", View(kInRedirect)));
  }
  rules->Append(kInRedirect,
                absl::StrCat("-p tcp -j REDIRECT --to-ports ", redirection.inbound_port));
}

// Virtual addresses may be routed to lo, where nothing else is redirected, so they come first.
void AppendVips(const Redirection& redirection, Rules* rules) {
  if (redirection.vip_range.empty() || !IsOf(rules->family(), redirection.vip_range)) return;
  rules->Append(kOutput, absl::StrCat("-d ", redirection.vip_range, " -p tcp -j ", View(kVip)));
  AppendOwners(redirection, kVip, rules);
  AppendPorts(redirection.exclude_outbound_ports, kVip, rules);
  rules->Append(kVip, absl::StrCat("-p tcp -j ", View(kRedirect)));
}

void AppendLoopback(const Redirection& redirection, Rules* rules) {
  const std::string own_source(rules->Pick("127.0.0.6/32", "::6/128"));
  const std::string loopback(rules->Pick("127.0.0.0/8", "::1/128"));
  // The sidecar connects to the application from this address.
  rules->Append(kOutput, absl::StrCat("-s ", own_source, " -o lo -j RETURN"));
  // The workload calls its own service: the sidecar's connection to this same address must pass the
  // inbound rules too.
  const auto own = [&](const char* owner, uint32_t id) {
    rules->Append(kOutput, absl::StrCat("! -d ", loopback, " -o lo -p tcp -m owner --", owner,
                                        "-owner ", id, " -j ", View(kInbound)));
  };
  if (!redirection.uids.empty()) own("uid", redirection.uids[0]);
  if (!redirection.gids.empty()) own("gid", redirection.gids[0]);
  rules->Append(kOutput, "-o lo -j RETURN");
  AppendOwners(redirection, kOutput, rules);
  rules->Append(kOutput, absl::StrCat("-d ", loopback, " -j RETURN"));
}

void AppendOutbound(const Redirection& redirection, Rules* rules) {
  AppendVips(redirection, rules);
  AppendLoopback(redirection, rules);
  for (const std::string& range : redirection.exclude_outbound_ranges) {
    if (IsOf(rules->family(), range))
      rules->Append(kOutput, absl::StrCat("-d ", range, " -j RETURN"));
  }
  AppendPorts(redirection.exclude_outbound_ports, kOutput, rules);
  if (redirection.include_outbound_ranges.empty()) {
    rules->Append(kOutput, absl::StrCat("-p tcp -j ", View(kRedirect)));
  }
  for (const std::string& range : redirection.include_outbound_ranges) {
    if (!IsOf(rules->family(), range)) continue;
    rules->Append(kOutput, absl::StrCat("-d ", range, " -p tcp -j ", View(kRedirect)));
  }
  rules->Append(kRedirect,
                absl::StrCat("-p tcp -j REDIRECT --to-ports ", redirection.outbound_port));
}

bool IsJumpToUs(std::string_view line) {
  if (!line.starts_with("-A ") || line.starts_with("-A TULLE_")) return false;
  return line.find("-j TULLE_") != std::string_view::npos;
}

// -A CHAIN ... becomes -D CHAIN ...
std::string DeletionsOfJumps(std::string_view saved) {
  std::string text;
  ForEachLine(saved, [&](std::string_view line) {
    if (IsJumpToUs(line)) absl::StrAppend(&text, "-D ", View(line.substr(3)), "\n");
  });
  return text;
}

std::vector<std::string> OwnChainsIn(std::string_view saved) {
  std::vector<std::string> chains;
  ForEachLine(saved, [&](std::string_view line) {
    if (line.starts_with(":TULLE_")) chains.emplace_back(line.substr(1, line.find(' ') - 1));
  });
  return chains;
}

std::optional<Family> FamilyOf(std::string_view range) {
  const size_t slash = range.find('/');
  const std::string address(range.substr(0, slash));
  // inet_pton() would not see what follows a NUL; iptables-restore would read it as further rules.
  if (range.find('\0') != std::string_view::npos) return std::nullopt;
  unsigned char bytes[16];
  std::optional<Family> family;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) family = Family::kV4;
  if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) family = Family::kV6;
  if (!family || slash == std::string_view::npos) return family;
  const std::string_view bits = range.substr(slash + 1);
  int count = 0;
  const bool is_number = !bits.empty() && bits.size() <= 3 &&
                         bits.find_first_not_of("0123456789") == std::string_view::npos &&
                         absl::SimpleAtoi(View(bits), &count);
  if (!is_number || count > (family == Family::kV4 ? 32 : 128)) return std::nullopt;
  return family;
}

}  // namespace

bool IsOf(Family family, std::string_view range) { return FamilyOf(range) == family; }

bool IsIn(std::string_view range, const std::string& address) {
  const std::optional<Family> family = FamilyOf(range);
  if (!family || FamilyOf(address) != family) return false;
  const size_t slash = range.find('/');
  const int kind = *family == Family::kV4 ? AF_INET : AF_INET6;
  unsigned char first[16];
  unsigned char one[16];
  inet_pton(kind, std::string(range.substr(0, slash)).c_str(), first);
  inet_pton(kind, address.c_str(), one);
  int bits = kind == AF_INET ? 32 : 128;
  if (slash != std::string_view::npos && !absl::SimpleAtoi(View(range.substr(slash + 1)), &bits))
    return false;
  const auto bit = [](const unsigned char* bytes, int at) {
    return bytes[at / 8] >> (7 - at % 8) & 1;
  };
  for (int at = 0; at < bits; ++at)
    if (bit(first, at) != bit(one, at)) return false;
  return true;
}

bool IsRange(std::string_view text) { return FamilyOf(text).has_value(); }

std::string RulesFor(const Redirection& redirection, Family family, std::string_view saved) {
  Rules rules(family);
  rules.Line("*nat");
  // Declaring a chain empties it, so that a second run starts from scratch.
  for (const std::string_view chain : kChains)
    rules.Line(absl::StrCat(":", View(chain), " - [0:0]"));
  const std::string deletions = DeletionsOfJumps(saved);
  if (!deletions.empty()) rules.Line(std::string_view(deletions).substr(0, deletions.size() - 1));
  AppendInbound(redirection, &rules);
  AppendOutbound(redirection, &rules);
  // Only traffic addressed to this host: a forwarding host (containers, virtual machines, a router)
  // also sees connections of others here.
  rules.Line(absl::StrCat("-I PREROUTING 1 ", View(kInboundJump)));
  rules.Line(absl::StrCat("-I OUTPUT 1 ", View(kOutboundJump)));
  rules.Line("COMMIT");
  return rules.Take();
}

std::string RemovalOf(std::string_view saved) {
  const std::vector<std::string> chains = OwnChainsIn(saved);
  const std::string jumps = DeletionsOfJumps(saved);
  if (chains.empty() && jumps.empty()) return "";
  std::string text = "*nat\n";
  for (const std::string& chain : chains) absl::StrAppend(&text, ":", chain, " - [0:0]\n");
  absl::StrAppend(&text, jumps);
  for (const std::string& chain : chains) absl::StrAppend(&text, "-X ", chain, "\n");
  return absl::StrCat(text, "COMMIT\n");
}

}  // namespace tulle::init
