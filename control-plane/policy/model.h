// Policies as values: exactly what the YAML says, without defaults and derived values.
// Owner: the PolicySet (policy_set.h) of a mesh version. Thread: any; immutable once parsed.
// Units: durations in milliseconds. An empty optional means that the field is not set:
// control-plane/snapshot applies defaults. Fields are described in the tables (*_fields.cc).
// Source: tulle.dev/v1alpha1; routes, which are the Gateway API's: route.h.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "control-plane/policy/route.h"

namespace tulle::policy {

inline constexpr std::string_view kDefaultNamespace = "default";
inline constexpr std::string_view kGatewayApiVersion = "gateway.networking.k8s.io/v1";
inline constexpr std::string_view kTulleApiVersion = "tulle.dev/v1alpha1";

enum class Kind {
  kHttpRoute,
  kGrpcRoute,
  kResiliencePolicy,
  kAuthorizationPolicy,
  kPeerAuthentication,
  kExternalService,
  kTelemetryPolicy,
  kEgressPolicy
};

enum class TargetKind { kService, kNamespace, kMesh };

struct Target {
  TargetKind kind = TargetKind::kService;
  std::string ns;    // empty for the mesh
  std::string name;  // of the service; empty for a namespace or the mesh

  auto operator<=>(const Target&) const = default;
};

// ---- ResiliencePolicy

struct Timeouts {
  std::optional<milliseconds> connect;
  std::optional<milliseconds> request;  // 0s: none
  std::optional<milliseconds> per_try;
  std::optional<milliseconds> idle;  // of a stream

  bool operator==(const Timeouts&) const = default;
};

struct RetryPolicy {
  std::optional<uint32_t> attempts;  // not counting the first attempt
  std::vector<std::string> on;       // Envoy's names; empty: the default
  std::vector<uint32_t> codes;       // further response codes
  std::optional<milliseconds> backoff_base;
  std::optional<milliseconds> backoff_max;
  std::optional<uint32_t> budget_percent;
  std::optional<uint32_t> budget_min_concurrent;

  bool operator==(const RetryPolicy&) const = default;
};

enum class BreakerTrigger { kGatewayErrors, kAll5xx };

struct BreakerPolicy {
  std::optional<uint32_t> consecutive_failures;  // 0: no breaker
  std::optional<BreakerTrigger> on;
  std::optional<milliseconds> open_for;
  std::optional<milliseconds> max_open_for;
  std::optional<uint32_t> max_open_percent;
  std::optional<uint32_t> panic_below_percent;  // healthy share below which all are used

  bool operator==(const BreakerPolicy&) const = default;
};

struct LimitPolicy {  // of one client's sidecar
  std::optional<uint32_t> max_connections;
  std::optional<uint32_t> max_pending_requests;
  std::optional<uint32_t> max_requests;

  bool operator==(const LimitPolicy&) const = default;
};

enum class LoadBalancing { kRoundRobin, kLeastRequest, kPeakEwma, kRandom, kConsistentHash };

// Input of consistentHash. Exactly one is set.
struct HashOn {
  std::string header;
  std::string cookie;
  std::optional<milliseconds>
      cookie_ttl;  // set: the sidecar creates the cookie; 0s: for the session
  std::string cookie_path;
  std::string query_parameter;
  bool source_ip = false;

  bool operator==(const HashOn&) const = default;
};

struct SlowStartPolicy {
  std::optional<milliseconds> window;  // 0s or absent: none
  std::optional<uint32_t> min_weight_percent;

  bool operator==(const SlowStartPolicy&) const = default;
};

enum class HealthCheckProtocol { kHttp, kTcp, kGrpc };

struct HealthCheckPolicy {
  HealthCheckProtocol protocol = HealthCheckProtocol::kHttp;
  std::string path;     // HTTP
  std::string service;  // gRPC
  std::optional<milliseconds> interval;
  std::optional<milliseconds> timeout;
  std::optional<uint32_t> unhealthy_after;
  std::optional<uint32_t> healthy_after;

  bool operator==(const HealthCheckPolicy&) const = default;
};

struct PoolPolicy {
  std::optional<milliseconds> idle_timeout;
  std::optional<uint32_t> max_requests_per_connection;
  std::optional<milliseconds> max_connection_age;
  std::optional<uint32_t> max_idle_connections;  // per client sidecar

  bool operator==(const PoolPolicy&) const = default;
};

// What a rate limit counts separately.
enum class LimitKey { kNone, kIdentity, kHeader, kRoute };

struct RateLimitPolicy {  // of each instance of the target
  uint32_t requests = 0;
  milliseconds per{1000};
  std::optional<uint32_t> burst;  // defaults to `requests`
  LimitKey key = LimitKey::kNone;
  std::string header;  // with kHeader

  bool operator==(const RateLimitPolicy&) const = default;
};

struct FaultPolicy {  // injected at the target, for testing
  std::optional<milliseconds> delay;
  uint32_t delay_percent = 100;
  std::optional<uint32_t> abort_status;
  std::optional<uint32_t> abort_grpc_status;
  uint32_t abort_percent = 100;
  std::vector<ValueMatch> headers;  // all must match; none: every request

  bool operator==(const FaultPolicy&) const = default;
};

struct LocalityWeight {
  std::string locality;  // REGION[/ZONE[/SUBZONE]]; the longest match decides
  uint32_t weight = 1;

  bool operator==(const LocalityWeight&) const = default;
};

// Exactly one is set.
struct LocalityPolicy {
  bool prefer_own = false;              // the client's zone, then its region, then all others
  std::vector<std::string> priorities;  // the first healthy one is used; others come last
  std::vector<LocalityWeight> weights;  // localities that are not listed have 1

  bool operator==(const LocalityPolicy&) const = default;
};

struct ResiliencePolicy {
  Target target;
  Timeouts timeouts;
  RetryPolicy retries;
  BreakerPolicy breaker;
  LimitPolicy limits;
  std::optional<LoadBalancing> load_balancing;
  PoolPolicy pools;
  std::optional<RateLimitPolicy> rate_limit;
  std::optional<FaultPolicy> fault;
  std::optional<HashOn> hash_on;  // with consistentHash
  SlowStartPolicy slow_start;
  std::optional<HealthCheckPolicy> health_check;
  std::optional<LocalityPolicy> localities;

  bool operator==(const ResiliencePolicy&) const = default;
};

// ---- AuthorizationPolicy

enum class AuthorizationAction { kAllow, kDeny };

struct AuthorizationRule {              // all lists that are set must match
  std::vector<std::string> principals;  // spiffe://..., ns/NS/sa/ACCOUNT, each may end in *; "*":
                                        // whoever is authenticated
  std::vector<std::string> namespaces;
  std::vector<std::string> methods;
  std::vector<std::string> paths;  // exact, or a prefix when it ends in *
  std::vector<uint32_t> ports;     // of the service

  bool operator==(const AuthorizationRule&) const = default;
};

struct AuthorizationPolicy {
  Target target;
  AuthorizationAction action = AuthorizationAction::kAllow;
  std::vector<AuthorizationRule> rules;  // ALLOW without rules denies everything

  bool operator==(const AuthorizationPolicy&) const = default;
};

// ---- PeerAuthentication

enum class MtlsMode { kPermissive, kStrict };

struct PeerAuthentication {
  Target target;
  MtlsMode mode = MtlsMode::kPermissive;

  bool operator==(const PeerAuthentication&) const = default;
};

// ---- TelemetryPolicy

enum class TraceProtocol { kOtlp, kOtlpHttp, kZipkin };

struct TracingPolicy {
  std::optional<std::string> collector;  // HOST:PORT, or HOST:PORT/PATH; unset: the control plane
  std::optional<TraceProtocol> protocol;
  std::optional<double> sampling;      // percent
  std::optional<uint32_t> rate_limit;  // traces a second that begin in one worker of a sidecar
  // Of requests that are not sampled. Unset: on, unless sampling is 0.
  std::optional<bool> always_on_error;
  std::optional<std::chrono::milliseconds> slower_than;

  bool operator==(const TracingPolicy&) const = default;
};

enum class AccessLogForm { kIstio, kJson, kOff };

enum class LogProtocol { kOtlp, kOtlpHttp };

struct AccessLogPolicy {
  AccessLogForm form = AccessLogForm::kIstio;
  std::optional<std::string> collector;  // HOST:PORT, or HOST:PORT/PATH; unset: a file
  std::optional<LogProtocol> protocol;

  bool operator==(const AccessLogPolicy&) const = default;
};

struct TelemetryPolicy {
  Target target;
  TracingPolicy tracing;
  std::optional<AccessLogPolicy> access_log;

  bool operator==(const TelemetryPolicy&) const = default;
};

// ---- ExternalService

// kAuto: not declared; detected from the first bytes of a connection.
enum class Protocol { kHttp, kGrpc, kTcp, kAuto };

struct ExternalPort {
  uint32_t number = 0;
  Protocol protocol = Protocol::kTcp;

  bool operator==(const ExternalPort&) const = default;
};

enum class Resolution { kStatic, kDns, kLogicalDns };

struct ExternalService {
  std::vector<std::string> hosts;
  std::vector<ExternalPort> ports;
  std::vector<std::string> endpoints;  // IP addresses; empty: the first host is resolved
  Resolution resolution = Resolution::kStatic;

  bool operator==(const ExternalService&) const = default;
};

// ---- EgressPolicy

// Whether transparent workloads may call addresses of no service.
enum class UnknownDestinations { kAllow, kDeny };

struct EgressPolicy {
  Target target;  // the callers
  UnknownDestinations unknown = UnknownDestinations::kAllow;

  bool operator==(const EgressPolicy&) const = default;
};

// ---- the document

using Spec = std::variant<HttpRoute, GrpcRoute, ResiliencePolicy, AuthorizationPolicy,
                          PeerAuthentication, ExternalService, TelemetryPolicy, EgressPolicy>;

struct DocumentKey {
  Kind kind = Kind::kHttpRoute;
  std::string ns;
  std::string name;

  auto operator<=>(const DocumentKey&) const = default;
};

struct Document {
  DocumentKey key;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  Spec spec;
  int line = 0;  // where it begins in its file; not compared
  // metadata.resourceVersion: what it was when it was read; empty: not stated. Not compared.
  std::string resource_version = {};
  // Unix seconds, from whoever stores it; 0: not stored. Of equal rules the oldest route's is used.
  // Not compared.
  int64_t created_at = 0;

  // Whether both have the same content, wherever they were read.
  bool SameAs(const Document& other) const {
    return key == other.key && labels == other.labels && annotations == other.annotations &&
           spec == other.spec;
  }
};

// RE2 pattern of the paths of calls that match.
std::string PatternOf(const RpcMatch& rpc);
// The route that the document is. Null: it is a policy of another kind.
const Route* RouteIn(const Document& document);

std::string_view ToText(Kind kind);                    // "HTTPRoute"
std::optional<Kind> ParseKind(std::string_view text);  // also "httproute", "httproutes"
std::string ToText(const DocumentKey& key);            // "HTTPRoute default/shop"
std::string ToText(const Target& target);              // "Service default/post"
std::string_view ToText(Protocol protocol);            // "http"
std::optional<Protocol> ParseProtocol(std::string_view text);

}  // namespace tulle::policy
