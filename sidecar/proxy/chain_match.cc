#include "sidecar/proxy/chain_match.h"

#include <algorithm>
#include <cstdint>

namespace tulle::proxy {
namespace {

bool InPrefix(const SocketAddress& address, const SocketAddress& prefix, unsigned bits) {
  const std::string_view a = address.ip_bytes();
  const std::string_view b = prefix.ip_bytes();
  if (a.size() != b.size() || bits > a.size() * 8) return false;
  const size_t whole = bits / 8;
  if (a.substr(0, whole) != b.substr(0, whole)) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffu << (8 - rest) & 0xffu;
  return (static_cast<uint8_t>(a[whole]) & mask) == (static_cast<uint8_t>(b[whole]) & mask);
}

using Prefixes = std::vector<std::pair<SocketAddress, uint8_t>>;

// -1: none matches; otherwise the length of the longest match, 0 if the criterion is absent.
int LongestPrefix(const Prefixes& prefixes, const SocketAddress& address) {
  int longest = prefixes.empty() ? 0 : -1;
  for (const auto& [prefix, bits] : prefixes) {
    if (InPrefix(address, prefix, bits)) longest = std::max<int>(longest, bits);
  }
  return longest;
}

// As above: an exact name is worth most, then the longest suffix.
int ServerName(const std::vector<std::string>& names, std::string_view offered) {
  int best = names.empty() ? 0 : -1;
  for (const std::string& name : names) {
    const bool wildcard = name.starts_with("*.");
    const bool holds = wildcard ? offered.size() >= name.size() && offered.ends_with(name.substr(1))
                                : offered == name;
    if (holds) best = std::max(best, static_cast<int>(name.size()) + (wildcard ? 0 : 1000));
  }
  return best;
}

int ApplicationProtocol(const std::vector<std::string>& wanted, const Offer& offer) {
  if (wanted.empty()) return 0;
  const bool holds = std::any_of(
      offer.application_protocols.begin(), offer.application_protocols.end(),
      [&](auto& one) { return std::find(wanted.begin(), wanted.end(), one) != wanted.end(); });
  return holds ? 1 : -1;
}

int TransportProtocol(const std::string& wanted, const Offer& offer) {
  if (wanted.empty()) return 0;
  return wanted == (offer.is_tls ? "tls" : "raw_buffer") ? 1 : -1;
}

// How specifically each criterion matches, in the order of FilterChainMatch; below 0: no match.
struct Score {
  int criteria[6];
};

Score ScoreOf(const config::ChainMatch& match, const Arrival& arrival) {
  const bool port = match.destination_port == 0 || match.destination_port == arrival.local.port();
  return {{
      port ? match.destination_port != 0 : -1,
      LongestPrefix(match.destination_prefixes, arrival.local),
      ServerName(match.server_names, arrival.offer.server_name),
      TransportProtocol(match.transport_protocol, arrival.offer),
      ApplicationProtocol(match.application_protocols, arrival.offer),
      LongestPrefix(match.source_prefixes, arrival.peer),
  }};
}

bool IsDnsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

bool NeedsOffer(const config::ListenerSpec& listener) {
  return std::any_of(listener.chains.begin(), listener.chains.end(), [](const auto& chain) {
    const config::ChainMatch& match = chain->match;
    return !match.transport_protocol.empty() || !match.application_protocols.empty() ||
           !match.server_names.empty();
  });
}

bool Matches(const config::ChainMatch& match, const Arrival& arrival) {
  const Score score = ScoreOf(match, arrival);
  return std::all_of(std::begin(score.criteria), std::end(score.criteria),
                     [](int value) { return value >= 0; });
}

bool MoreSpecific(const config::ChainMatch& a, const config::ChainMatch& b,
                  const Arrival& arrival) {
  const Score left = ScoreOf(a, arrival);
  const Score right = ScoreOf(b, arrival);
  return std::lexicographical_compare(std::begin(right.criteria), std::end(right.criteria),
                                      std::begin(left.criteria), std::end(left.criteria));
}

bool IsMisdirected(std::string_view host, std::string_view sni, const std::vector<std::string>& own,
                   const std::vector<std::string>& elsewhere) {
  if (elsewhere.empty() || host == sni || !IsDnsName(sni)) return false;
  return ServerName(elsewhere, host) > ServerName(own, host);
}

}  // namespace tulle::proxy
