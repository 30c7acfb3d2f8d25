#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sidecar/match/header_match.h"
#include "sidecar/match/string_match.h"
#include "sidecar/route/header_mutation.h"
#include "sidecar/route/path_match.h"
#include "sidecar/route/upgrade.h"

namespace tulle::policy {
class FaultInjection;
class LimitDescriptors;
class LocalRateLimit;
}  // namespace tulle::policy

// What a route configuration says: plain values, filled by sidecar/config, compiled by RouteTable.
// Source: envoy.config.route.v3. An absent optional is Envoy's default, named beside it.
namespace tulle::route {

using Milliseconds = std::chrono::milliseconds;

// QueryParameterMatcher: on the first parameter of that name.
struct QuerySpec {
  std::string name{};
  std::optional<match::StringSpec> value{};  // else by presence
  bool present = true;

  bool operator==(const QuerySpec&) const = default;
};

// FractionalPercent.
struct Fraction {
  uint32_t numerator = 0;
  uint32_t denominator = 100;

  bool operator==(const Fraction&) const = default;
};

struct MatchSpec {
  PathSpec path{};
  std::vector<match::HeaderSpec> headers{};
  std::vector<QuerySpec> query{};
  bool grpc_only = false;
  std::optional<Fraction> fraction{};  // else all

  bool operator==(const MatchSpec&) const = default;
};

// RetryPolicy.ResetHeader: a response header that says when to retry.
struct ResetHeader {
  enum class Format : uint8_t { kSeconds, kUnixTime };
  std::string name{};
  Format format = Format::kSeconds;

  bool operator==(const ResetHeader&) const = default;
};

// RetryPolicy.
struct RetrySpec {
  uint32_t on = 0;  // RetryOn bits
  uint32_t attempts_after_first = 1;
  std::vector<uint32_t> statuses{};  // sorted
  std::vector<match::HeaderSpec> response_headers{};
  std::vector<match::HeaderSpec> request_headers{};
  Milliseconds per_try_timeout{0};       // 0: the route's timeout
  Milliseconds per_try_idle_timeout{0};  // 0: none
  Milliseconds base_interval{25};
  Milliseconds max_interval{250};
  bool avoid_previous_hosts = false;  // predicate previous_hosts
  uint32_t host_selection_attempts = 1;
  std::vector<ResetHeader> reset_headers{};  // rate_limited_retry_back_off
  Milliseconds max_reset_interval{300 * 1000};

  bool operator==(const RetrySpec&) const = default;
};

// RouteAction.HashPolicy, for balancers that hash.
struct HashSpec {
  enum class Kind : uint8_t { kHeader, kCookie, kSourceIp, kQueryParameter };
  Kind kind = Kind::kHeader;
  std::string name{};
  bool terminal = false;
  // Cookie: if set, a missing cookie is generated; 0: a session cookie.
  std::optional<std::chrono::seconds> ttl{};
  std::string path{};        // cookie
  std::string attributes{};  // cookie: "; SameSite=Lax" as written

  bool operator==(const HashSpec&) const = default;
};

struct RegexRewrite {
  std::string pattern{};
  std::string substitution{};  // \1 ... as RE2 writes them

  bool operator==(const RegexRewrite&) const = default;
};

// One cluster of weighted_clusters, or the only one.
struct WeightedCluster {
  std::string name{};
  uint32_t weight = 1;
  HeaderMutations request_headers{};
  HeaderMutations response_headers{};
  std::string host_rewrite{};

  bool operator==(const WeightedCluster&) const = default;
};

// RouteAction.RequestMirrorPolicy: a copy of the request is also sent there; the response is
// ignored.
struct MirrorSpec {
  std::string cluster{};
  std::optional<Fraction> fraction{};  // else all
  bool append_shadow = true;           // "-shadow" after the host's name
  std::string host_rewrite{};

  bool operator==(const MirrorSpec&) const = default;
};

// RouteAction.
struct ForwardSpec {
  std::vector<WeightedCluster> clusters{};  // at least one, weights sum to at least 1
  std::string prefix_rewrite{};
  std::optional<RegexRewrite> regex_rewrite{};
  std::string host_rewrite{};
  Milliseconds timeout{15000};                        // 0: none
  std::optional<Milliseconds> idle_timeout{};         // else the listener's stream_idle_timeout
  std::optional<Milliseconds> max_stream_duration{};  // else the listener's; 0: none
  // max_stream_duration.grpc_timeout_header_max: if set, grpc-timeout is honoured up to this value
  // (0: any) instead of `timeout`.
  std::optional<Milliseconds> grpc_timeout_max{};
  Milliseconds grpc_timeout_offset{0};
  std::optional<RetrySpec> retry{};  // else none
  std::vector<HashSpec> hash{};
  bool append_forwarded_host = false;
  int cluster_not_found_status = 503;
  std::vector<MirrorSpec> mirrors{};
  std::vector<UpgradeSpec> upgrades{};  // upgrade_configs
  bool tunnel = false;                  // CONNECT with connect_config: forward the payload

  bool operator==(const ForwardSpec&) const = default;
};

// RedirectAction.
struct RedirectSpec {
  int status = 301;
  std::string scheme{};  // empty: kept
  std::string host{};    // empty: kept
  uint32_t port = 0;     // 0: kept
  std::string path{};    // may hold a query; empty: kept
  std::string prefix_rewrite{};
  std::optional<RegexRewrite> regex_rewrite{};
  bool strip_query = false;

  bool operator==(const RedirectSpec&) const = default;
};

// DirectResponseAction, and metadata.filter_metadata.tulle.cause of its route: of an error, the
// cause code that it stands for. Empty: an answer like any other.
struct DirectResponseSpec {
  int status = 200;
  std::string body{};
  std::string cause{};

  bool operator==(const DirectResponseSpec&) const = default;
};

struct RouteSpec {
  std::string name{};
  MatchSpec match{};
  std::variant<ForwardSpec, RedirectSpec, DirectResponseSpec> action{};
  HeaderMutations request_headers{};
  HeaderMutations response_headers{};
  std::string operation{};  // decorator.operation: the name of spans
  // Which field of which policy decides, by cause: "ResiliencePolicy shop/cart
  // spec.timeouts.request". For explanations. metadata.filter_metadata.tulle.owners
  std::map<std::string, std::string> owners{};
  // typed_per_filter_config of the route or its parents: replaces the listener's. Carried for
  // sidecar/proxy; unused in this folder.
  std::shared_ptr<policy::FaultInjection> fault{};
  std::map<std::string, std::shared_ptr<policy::LocalRateLimit>> rate_limits{};  // by filter
  std::shared_ptr<const policy::LimitDescriptors> limit_descriptors{};           // rate_limits

  bool operator==(const RouteSpec&) const = default;
};

struct VirtualHostSpec {
  std::string name{};
  std::vector<std::string> domains{};
  std::vector<RouteSpec> routes{};
  HeaderMutations request_headers{};
  HeaderMutations response_headers{};
  bool attempt_count_in_request = false;
  bool attempt_count_in_response = false;
  bool require_tls = false;  // ALL: requests by http are redirected to https

  bool operator==(const VirtualHostSpec&) const = default;
};

struct RouteTableSpec {
  std::string name{};
  std::vector<VirtualHostSpec> virtual_hosts{};
  HeaderMutations request_headers{};
  HeaderMutations response_headers{};
  std::vector<std::string> internal_only_headers{};
  bool most_specific_mutations_win = false;
  bool ignore_port = false;  // ignore_port_in_host_matching
};

}  // namespace tulle::route
