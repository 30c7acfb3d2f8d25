#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "sidecar/match/header_match.h"
#include "sidecar/match/string_match.h"
#include "sidecar/policy/rule_spec.h"

namespace tulle::policy {

// What a rule is asked about: views of the connection and, with HTTP, of the request.
struct Subject {
  // The peer of the verified TLS connection; all empty otherwise.
  bool authenticated = false;
  std::span<const std::string_view> uri_sans = {};
  std::span<const std::string_view> dns_sans = {};
  std::string_view subject = {};  // RFC 2253

  SocketAddress direct_remote = {};
  SocketAddress remote = {};  // direct_remote, unless a trusted hop says otherwise
  SocketAddress destination = {};
  std::string_view server_name = {};
  // Null for TCP: then what a rule asks of a request could be anything.
  const http::Head* head = nullptr;
};

// Whether "perhaps" counts as yes. A rule that denies errs towards yes, one that allows towards no.
enum class Doubt : uint8_t { kIsYes, kIsNo };

// A tree of RuleSpec, compiled. Immutable.
class Rule {
 public:
  static absl::StatusOr<Rule> Compile(const RuleSpec& spec);
  bool Holds(const Subject& subject, Doubt doubt) const;
  // Whether it asks for the path; for a header (then names with '_' ought to be refused).
  bool asks_path() const;
  bool asks_header() const;

 private:
  Rule() = default;
  bool PathHolds(const Subject& subject, Doubt doubt) const;
  bool PeerHolds(const Subject& subject, Doubt doubt) const;
  bool Asks(RuleSpec::Kind kind) const;

  RuleSpec::Kind kind_ = RuleSpec::Kind::kAny;
  std::vector<Rule> children_;
  std::optional<match::HeaderMatch> header_;
  std::optional<match::StringMatch> string_;
  Cidr cidr_;
  uint16_t port_first_ = 0;
  uint16_t port_last_ = 0;
};

bool Contains(const Cidr& cidr, const SocketAddress& address);
// "10.0.0.0/8", "fd00::/8".
std::optional<Cidr> ParseCidr(std::string_view text);

}  // namespace tulle::policy
