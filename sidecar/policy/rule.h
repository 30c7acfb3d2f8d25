#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "sidecar/match/header_match.h"
#include "sidecar/match/string_match.h"
#include "sidecar/policy/rule_spec.h"

namespace tulle::policy {

// The input of a rule: views of the connection and, with HTTP, of the request.
struct Subject {
  // The peer of the verified TLS connection; otherwise all empty.
  bool authenticated = false;
  std::span<const std::string_view> uri_sans = {};
  std::span<const std::string_view> dns_sans = {};
  std::string_view subject = {};  // RFC 2253

  SocketAddress direct_remote = {};
  SocketAddress remote = {};  // direct_remote, unless a trusted hop says otherwise
  SocketAddress destination = {};
  std::string_view server_name = {};
  // Null for TCP: request properties are then unknown.
  const http::Head* head = nullptr;
};

// How an unknown property counts. Deny rules treat it as matching, allow rules as not matching.
enum class IfUnknown : uint8_t { kMatches, kDoesNotMatch };

// A tree of RuleSpec, compiled. Immutable.
class Rule {
 public:
  static absl::StatusOr<Rule> Compile(const RuleSpec& spec);
  bool Holds(const Subject& subject, IfUnknown if_unknown) const;
  // The first condition that does not hold, for people: "path does not match". Empty: it holds.
  std::string Mismatch(const Subject& subject, IfUnknown if_unknown) const;
  // Whether it uses the path; a header (then header names with '_' should be refused).
  bool asks_path() const;
  bool asks_header() const;

 private:
  Rule() = default;
  bool PathHolds(const Subject& subject, IfUnknown if_unknown) const;
  bool PeerHolds(const Subject& subject, IfUnknown if_unknown) const;
  bool Asks(RuleSpec::Kind kind) const;
  // What it looks at: "path".
  std::string Property(const Subject& subject) const;

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
