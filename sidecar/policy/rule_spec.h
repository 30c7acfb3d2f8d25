#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/socket_address.h"
#include "sidecar/match/header_match.h"
#include "sidecar/match/string_match.h"

// Authorization rules: plain values, filled by sidecar/config, compiled by Authorization. Source:
// envoy.config.rbac.v3.
namespace tulle::policy {

struct Cidr {
  SocketAddress address;  // the port is unused
  uint8_t bits = 0;

  bool operator==(const Cidr&) const = default;
};

// One node of a Permission or a Principal.
struct RuleSpec {
  enum class Kind : uint8_t {
    kAny,
    kAnd,  // and_rules, and_ids
    kOr,   // or_rules, or_ids
    kNot,  // of the only child
    kHeader,
    kUrlPath,  // without the query
    kDestinationIp,
    kDestinationPort,  // port_first to port_last
    kServerName,       // requested_server_name: the SNI
    kAuthenticated,    // principal_name; without a string any authenticated peer
    kDirectRemoteIp,   // direct_remote_ip, source_ip: the other end of the connection
    kRemoteIp,         // remote_ip: the client as reported by trusted hops
  };
  Kind kind = Kind::kAny;
  std::vector<RuleSpec> children = {};
  match::HeaderSpec header = {};
  std::optional<match::StringSpec> string = {};
  Cidr cidr = {};
  uint16_t port_first = 0;
  uint16_t port_last = 0;  // inclusive

  bool operator==(const RuleSpec&) const = default;
};

struct PolicySpec {
  std::string name;
  std::vector<RuleSpec> permissions;  // any of
  std::vector<RuleSpec> principals;   // any of

  bool operator==(const PolicySpec&) const = default;
};

enum class Action : uint8_t { kAllow, kDeny, kLog };

struct RulesSpec {
  Action action = Action::kAllow;
  std::vector<PolicySpec> policies;

  bool operator==(const RulesSpec&) const = default;
};

// envoy.extensions.filters.{http,network}.rbac.v3.RBAC. Without rules everything is allowed; rules
// that allow but have no policy allow nothing.
struct AuthorizationSpec {
  std::optional<RulesSpec> rules;
  std::optional<RulesSpec> shadow_rules;

  bool operator==(const AuthorizationSpec&) const = default;
};

}  // namespace tulle::policy
