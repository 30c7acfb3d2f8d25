#include <algorithm>

#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

constexpr uint32_t kMaxCount = 1000000;
constexpr size_t kMaxLocalities = 32;

// ---- timeouts

void FinishTimeouts(ObjectReader& reader, Timeouts& timeouts) {
  const bool is_bounded = timeouts.request && timeouts.request->count() > 0;
  if (!is_bounded || !timeouts.per_try || *timeouts.per_try <= *timeouts.request) return;
  reader.Complain("perTry", "longer than timeouts.request",
                  "must be at most " + FormatDuration(*timeouts.request));
}

const Schema<Timeouts>& TimeoutFields() {
  static const Schema<Timeouts> schema(
      {
          {"connect", Duration(&Timeouts::connect, kNotZero), "3s",
           "Time to establish a connection to an endpoint."},
          {"request", Duration(&Timeouts::request), "no limit",
           "Time for the whole request, including all attempts. `0s`: no limit.",
           Effect::kRequests},
          {"perTry", Duration(&Timeouts::per_try), "no limit",
           "Time for one attempt. Must not be longer than `request`.", Effect::kRequests},
          {"idle", Duration(&Timeouts::idle), "5m",
           "Time that a stream may stay silent. `0s`: no limit.", Effect::kRequests},
      },
      FinishTimeouts,
      {{"!has(self.perTry) || !has(self.request) || duration(self.request) == duration('0s') || "
        "duration(self.perTry) <= duration(self.request)",
        "perTry must not be longer than request"}});
  return schema;
}

// ---- retries

void FinishBackoff(ObjectReader& reader, RetryPolicy& retries) {
  const milliseconds base = retries.backoff_base.value_or(milliseconds(25));
  if (!retries.backoff_max || *retries.backoff_max >= base) return;
  reader.Complain("max", "shorter than backoff.base", "must be at least " + FormatDuration(base));
}

const Schema<RetryPolicy>& BackoffFields() {
  static const Schema<RetryPolicy> schema(
      {
          {"base", Duration(&RetryPolicy::backoff_base, kNotZero), "25ms",
           "Upper bound of the first pause. It doubles with each attempt; the pause is random "
           "below it."},
          {"max", Duration(&RetryPolicy::backoff_max), "ten times the base, at least 250ms",
           "Upper bound of every pause. At least `base`."},
      },
      FinishBackoff,
      {{"!has(self.max) || duration(self.max) >= duration(has(self.base) ? self.base : '25ms')",
        "max must not be shorter than base (25ms if it is not set)"}});
  return schema;
}

const Schema<RetryPolicy>& BudgetFields() {
  static const Schema<RetryPolicy> schema({
      {"percent", Integer(&RetryPolicy::budget_percent, 0, 100), "20",
       "Retries that may be active, in percent of the active requests."},
      {"minConcurrent", Integer(&RetryPolicy::budget_min_concurrent, 0, 1000), "3",
       "Retries that may always be active, whatever the percentage."},
  });
  return schema;
}

const Schema<RetryPolicy>& RetryFields() {
  static const Schema<RetryPolicy> schema({
      {"attempts", Integer(&RetryPolicy::attempts, 0, 10), "2",
       "Number of retries, not counting the first attempt. 0: never retry."},
      {"on",
       Words(&RetryPolicy::on, 16,
             {"connect-failure", "refused-stream", "reset-before-request", "reset", "gateway-error",
              "5xx", "retriable-4xx", "unavailable", "cancelled", "internal", "deadline-exceeded",
              "resource-exhausted"}),
       "connect-failure, refused-stream",
       "Conditions to retry on. The default retries only what no server has processed. The last "
       "five are gRPC status codes."},
      {"codes", Integers(&RetryPolicy::codes, 400, 599, 32), kNoDefault,
       "Further response codes to retry on."},
      {"backoff", Part(BackoffFields), kNoDefault, "Pause between attempts."},
      {"budget", Part(BudgetFields), kNoDefault, "Limit of retries beside the regular requests."},
  });
  return schema;
}

// ---- breaker

void FinishBreaker(ObjectReader& reader, BreakerPolicy& breaker) {
  const milliseconds open_for = breaker.open_for.value_or(milliseconds(1000));
  if (!breaker.max_open_for || *breaker.max_open_for >= open_for) return;
  reader.Complain("maxOpenFor", "shorter than openFor",
                  "must be at least " + FormatDuration(open_for));
}

const Schema<BreakerPolicy>& BreakerFields() {
  static const Schema<BreakerPolicy> schema(
      {
          {"consecutiveFailures", Integer(&BreakerPolicy::consecutive_failures, 0, 10000), "5",
           "Failures of one endpoint in a row that open its breaker. 0: no breaker."},
          {"on",
           Choice(&BreakerPolicy::on, {{"gatewayErrors", BreakerTrigger::kGatewayErrors},
                                       {"all5xx", BreakerTrigger::kAll5xx}}),
           "gatewayErrors",
           "What counts as a failure. gatewayErrors: 502, 503, 504, and requests without a "
           "response."},
          {"openFor", Duration(&BreakerPolicy::open_for, kNotZero), "1s",
           "Time until one trial request is sent. Doubles with each trial that fails. The default "
           "has jitter, a value that is set has none."},
          {"maxOpenFor", Duration(&BreakerPolicy::max_open_for), "60s, at least openFor",
           "Upper bound of the doubled time. At least `openFor`."},
          {"maxOpenPercent", Integer(&BreakerPolicy::max_open_percent, 0, 100), "100",
           "Share of the endpoints whose breakers may be open at the same time."},
          {"panicBelowPercent", Integer(&BreakerPolicy::panic_below_percent, 0, 100), "0",
           "Share of healthy endpoints below which all endpoints are used. 0: never."},
      },
      FinishBreaker,
      {{"!has(self.maxOpenFor) || "
        "duration(self.maxOpenFor) >= duration(has(self.openFor) ? self.openFor : '1s')",
        "maxOpenFor must not be shorter than openFor (1s if it is not set)"}});
  return schema;
}

const Schema<LimitPolicy>& LimitFields() {
  static const Schema<LimitPolicy> schema({
      {"perClientMaxConnections", Integer(&LimitPolicy::max_connections, 1, kMaxCount), "4096",
       "Connections of one client's sidecar to the Service."},
      {"perClientMaxPendingRequests", Integer(&LimitPolicy::max_pending_requests, 0, kMaxCount),
       "4096", "Requests of one client's sidecar that wait for a connection."},
      {"perClientMaxRequests", Integer(&LimitPolicy::max_requests, 1, kMaxCount), "16384",
       "Active requests of one client's sidecar.", Effect::kRequests},
  });
  return schema;
}

// ---- load balancing

const Schema<HashOn>& CookieFields() {
  static const Schema<HashOn> schema({
      {"name", Text(&HashOn::cookie, kCookieName), kRequired, "Name of the cookie."},
      {"ttl", Duration(&HashOn::cookie_ttl), kNoDefault,
       "If set, the sidecar sets the cookie, for so long, on requests without one. `0s`: a session "
       "cookie."},
      {"path", Text(&HashOn::cookie_path, kCookiePath), kNoDefault,
       "Path of a cookie that the sidecar sets."},
  });
  return schema;
}

const Schema<HashOn>& HashFields() {
  static const Schema<HashOn> schema(
      {{"header", Text(&HashOn::header, kHashedHeader), kNoDefault,
        "Name of a request header; also `:authority`, `:method` or `:path`.", Effect::kRequests},
       {"cookie", Part(CookieFields), kNoDefault, "A cookie of the request.", Effect::kRequests},
       {"queryParameter", Text(&HashOn::query_parameter), kNoDefault, "Name of a query parameter.",
        Effect::kRequests},
       {"sourceIp", Flag(&HashOn::source_ip), "false", "Address of the client."}},
      nullptr,  // FinishHash
      {{"[has(self.header) && self.header != '', has(self.cookie), "
        "has(self.queryParameter) && self.queryParameter != '', "
        "has(self.sourceIp) && self.sourceIp].filter(x, x).size() == 1",
        "exactly one of header, cookie, queryParameter and sourceIp is required"}});
  return schema;
}

const Schema<SlowStartPolicy>& SlowStartFields() {
  static const Schema<SlowStartPolicy> schema({
      {"window", Duration(&SlowStartPolicy::window), kNoDefault,
       "Time in which a new endpoint reaches its full share. Requires loadBalancing roundRobin or "
       "leastRequest. `0s`: no slow start."},
      {"minWeightPercent", Integer(&SlowStartPolicy::min_weight_percent, 1, 100), "10",
       "Share with which a new endpoint begins."},
  });
  return schema;
}

// ---- health checks

void FinishHealthCheck(ObjectReader& reader, HealthCheckPolicy& check) {
  const bool is_http = check.protocol == HealthCheckProtocol::kHttp;
  if (is_http && (!IsRequestPath(check.path) || check.path.find('#') != std::string::npos)) {
    reader.Complain("path", check.path.empty() ? "required field is missing" : "invalid path",
                    "use a path like /healthz, without blanks and #");
  }
  if (!is_http && !check.path.empty()) {
    reader.Complain("path", "field is only used with protocol: http", "remove it");
  }
  if (check.protocol != HealthCheckProtocol::kGrpc && !check.service.empty()) {
    reader.Complain("service", "field is only used with protocol: grpc", "remove it");
  }
}

const Schema<HealthCheckPolicy>& HealthCheckFields() {
  static const Schema<HealthCheckPolicy> schema(
      {
          {"protocol",
           Choice(&HealthCheckPolicy::protocol, {{"http", HealthCheckProtocol::kHttp},
                                                 {"tcp", HealthCheckProtocol::kTcp},
                                                 {"grpc", HealthCheckProtocol::kGrpc}}),
           "http", "How endpoints are checked."},
          {"path", Text(&HealthCheckPolicy::path, {.name = "path"}), kNoDefault,
           "Path to request. Required with protocol http, not allowed with others."},
          {"service", Text(&HealthCheckPolicy::service), "the whole server",
           "gRPC service to ask for. Only with protocol grpc."},
          {"interval", Duration(&HealthCheckPolicy::interval, kNotZero), "10s",
           "Time between two checks."},
          {"timeout", Duration(&HealthCheckPolicy::timeout, kNotZero), "1s", "Time for one check."},
          {"unhealthyAfter", Integer(&HealthCheckPolicy::unhealthy_after, 1, 100), "3",
           "Failed checks in a row after which an endpoint is not used."},
          {"healthyAfter", Integer(&HealthCheckPolicy::healthy_after, 1, 100), "1",
           "Successful checks in a row after which it is used again."},
      },
      FinishHealthCheck,
      {{"has(self.protocol) && self.protocol != 'http' || has(self.path)",
        "path is required with protocol http"},
       {"!has(self.protocol) || self.protocol == 'http' || !has(self.path) || self.path == ''",
        "path is only used with protocol http"},
       {"has(self.protocol) && self.protocol == 'grpc' || !has(self.service) || self.service == ''",
        "service is only used with protocol grpc"}});
  return schema;
}

// ---- localities

const Schema<LocalityWeight>& LocalityWeightFields() {
  static const Schema<LocalityWeight> schema({
      {"locality", Text(&LocalityWeight::locality, kLocality), kRequired,
       "REGION[/ZONE[/SUBZONE]]. The longest that matches an endpoint decides."},
      {"weight", Integer(&LocalityWeight::weight, 1, 1000), "1",
       "Share of the locality, relative to the others. Localities that are not listed have 1."},
  });
  return schema;
}

const Schema<LocalityPolicy>& LocalityFields() {
  static const Schema<LocalityPolicy> schema(
      {{"preferOwn", Flag(&LocalityPolicy::prefer_own), "false",
        "Use endpoints in the client's zone, then in its region, then all others."},
       {"priorities", Texts(&LocalityPolicy::priorities, kMaxLocalities, kLocality), kNoDefault,
        "Use the first of these localities that is healthy. Localities that are not listed come "
        "last."},
       {"weights", Objects(&LocalityPolicy::weights, LocalityWeightFields, kMaxLocalities),
        kNoDefault, "Spread requests over localities by weight. Not with loadBalancing peakEwma."}},
      nullptr,  // FinishLocalities
      {{"[has(self.preferOwn) && self.preferOwn, "
        "has(self.priorities) && size(self.priorities) > 0, "
        "has(self.weights) && size(self.weights) > 0].filter(x, x).size() == 1",
        "exactly one of preferOwn: true, priorities and weights is required"}});
  return schema;
}

const Schema<PoolPolicy>& PoolFields() {
  static const Schema<PoolPolicy> schema({
      {"idleTimeout", Duration(&PoolPolicy::idle_timeout), "5m",
       "Time that an unused connection is kept open. `0s`: no limit.", Effect::kRequests},
      {"maxRequestsPerConnection", Integer(&PoolPolicy::max_requests_per_connection, 1, kMaxCount),
       "no limit", "Requests after which a connection is closed.", Effect::kRequests},
      {"maxConnectionAge", Duration(&PoolPolicy::max_connection_age), "no limit",
       "Age at which a connection is closed.", Effect::kRequests},
      {"perClientMaxIdleConnections", Integer(&PoolPolicy::max_idle_connections, 0, kMaxCount),
       "no limit", "Unused connections that one client's sidecar keeps open."},
  });
  return schema;
}

// ---- rate limit

// "identity", "route", or "header NAME".
Value<RateLimitPolicy> LimitKeyValue() {
  static constexpr std::string_view kHeader = "header ";
  return {{.kind = FieldKind::kText, .format = "identity, route or header NAME"},
          [](ObjectReader& reader, std::string_view field, RateLimitPolicy& limit) {
            const std::optional<std::string> key = reader.Text(field);
            if (!key) return;
            if (*key == "identity") {
              limit.key = LimitKey::kIdentity;
            } else if (*key == "route") {
              limit.key = LimitKey::kRoute;
            } else if (key->starts_with(kHeader) && IsToken(key->substr(kHeader.size()))) {
              limit.key = LimitKey::kHeader;
              limit.header = key->substr(kHeader.size());
            } else {
              reader.Complain(field, "unsupported value " + Quoted(*key),
                              "use identity, route or header NAME, or remove it to count all "
                              "callers together");
            }
          },
          [](const RateLimitPolicy& limit) {
            if (limit.key == LimitKey::kIdentity) return Json("identity");
            if (limit.key == LimitKey::kRoute) return Json("route");
            return limit.key == LimitKey::kHeader ? Json(std::string(kHeader) + limit.header)
                                                  : Json();
          }};
}

const Schema<RateLimitPolicy>& RateLimitFields() {
  static const Schema<RateLimitPolicy> schema({
      {"requests", Integer(&RateLimitPolicy::requests, 1, kMaxCount), kRequired,
       "Requests that each instance of the Service accepts in `per`."},
      {"per", Duration(&RateLimitPolicy::per, milliseconds(50)), "1s",
       "Time in which `requests` are accepted."},
      {"burst", Integer(&RateLimitPolicy::burst, 1, kMaxCount), "`requests`",
       "Requests that are accepted at once."},
      {"key", LimitKeyValue(), "all callers together",
       "What is counted separately: callers by identity, routes, or values of a header. Up to "
       "10,000 at a time."},
  });
  return schema;
}

// ---- faults

const Schema<FaultPolicy>& DelayFields() {
  static const Schema<FaultPolicy> schema({
      {"fixed", Duration(&FaultPolicy::delay, kNotZero), kRequired, "Time to delay requests by."},
      {"percent", Integer(&FaultPolicy::delay_percent, 0, 100), "100",
       "Share of the requests that are delayed."},
  });
  return schema;
}

bool Delays(const FaultPolicy& fault) { return fault.delay.has_value(); }
bool Aborts(const FaultPolicy& fault) { return fault.abort_status || fault.abort_grpc_status; }

void FinishAbort(ObjectReader& reader, FaultPolicy&) {
  if (reader.Has("status") != reader.Has("grpcStatus")) return;
  reader.Complain("status", "exactly one of status and grpcStatus is required",
                  "use status: 503, for example");
}

const Schema<FaultPolicy>& AbortFields() {
  static const Schema<FaultPolicy> schema(
      {
          {"status", Integer(&FaultPolicy::abort_status, 200, 599), kNoDefault,
           "HTTP status of the response. Exactly one of `status` and `grpcStatus` is required."},
          {"grpcStatus", Integer(&FaultPolicy::abort_grpc_status, 1, 16), kNoDefault,
           "gRPC status of the response."},
          {"percent", Integer(&FaultPolicy::abort_percent, 0, 100), "100",
           "Share of the requests that are aborted."},
      },
      FinishAbort,
      {{"has(self.status) != has(self.grpcStatus)",
        "exactly one of status and grpcStatus is required"}});
  return schema;
}

void FinishFault(ObjectReader& reader, FaultPolicy&) {
  if (reader.Has("delay") || reader.Has("abort")) return;
  reader.Complain("delay", "required field is missing", "set delay, abort or both");
}

const Schema<FaultPolicy>& FaultFields() {
  static const Schema<FaultPolicy> schema(
      {
          {"delay", Part(DelayFields, Delays), kNoDefault,
           "Delays requests. At least one of `delay` and `abort` is required."},
          {"abort", Part(AbortFields, Aborts), kNoDefault,
           "Answers requests instead of the Service."},
          {"headers", Objects(&FaultPolicy::headers, HeaderMatchFields, 16, {"name", SameName}),
           "every request", "Headers that a request must have to be affected, all of them."},
      },
      FinishFault, {{"has(self.delay) || has(self.abort)", "delay, abort or both are required"}});
  return schema;
}

// ---- the policy

void FinishHash(ObjectReader& reader, ResiliencePolicy& policy) {
  const bool is_hashed = policy.load_balancing == LoadBalancing::kConsistentHash;
  if (!policy.hash_on) {
    if (!is_hashed) return;
    return reader.Complain("hashOn", "required with loadBalancing: consistentHash",
                           "set hashOn: {header: x-user}, or a cookie, queryParameter or sourceIp");
  }
  const HashOn& hash = *policy.hash_on;
  const int count =
      !hash.header.empty() + !hash.cookie.empty() + !hash.query_parameter.empty() + hash.source_ip;
  if (count != 1) {
    reader.Complain("hashOn", "exactly one field is required",
                    "set one of header, cookie, queryParameter and sourceIp");
  }
  if (!is_hashed) {
    reader.Complain("hashOn", "field is only used with loadBalancing: consistentHash",
                    "set loadBalancing: consistentHash, or remove hashOn");
  }
}

void FinishLocalities(ObjectReader& reader, ResiliencePolicy& policy) {
  if (!policy.localities) return;
  const LocalityPolicy& localities = *policy.localities;
  const int count =
      localities.prefer_own + !localities.priorities.empty() + !localities.weights.empty();
  if (count != 1) {
    reader.Complain("localities", "exactly one field is required",
                    "set one of preferOwn: true, priorities and weights");
  }
  if (!localities.weights.empty() && policy.load_balancing == LoadBalancing::kPeakEwma) {
    reader.Complain("localities", "weights cannot be combined with loadBalancing: peakEwma",
                    "use another loadBalancing, or preferOwn or priorities");
  }
}

void FinishPolicy(ObjectReader& reader, ResiliencePolicy& policy) {
  FinishHash(reader, policy);
  FinishLocalities(reader, policy);
  const LoadBalancing balancing = policy.load_balancing.value_or(LoadBalancing::kRoundRobin);
  if (policy.slow_start.window && balancing != LoadBalancing::kRoundRobin &&
      balancing != LoadBalancing::kLeastRequest) {
    reader.Complain("slowStart", "requires loadBalancing roundRobin or leastRequest",
                    "use one of them, or remove slowStart");
  }
}

}  // namespace

const Schema<ResiliencePolicy>& ResiliencePolicyFields() {
  static const Schema<ResiliencePolicy> schema(
      {
          {"targetRef", Object(&ResiliencePolicy::target, ServiceTarget), kRequired,
           "The Service that is called."},
          {"timeouts", Object(&ResiliencePolicy::timeouts, TimeoutFields), kNoDefault,
           "Time limits."},
          {"retries", Object(&ResiliencePolicy::retries, RetryFields), kNoDefault,
           "When and how often failed requests are sent again.", Effect::kRequests},
          {"breaker", Object(&ResiliencePolicy::breaker, BreakerFields), kNoDefault,
           "Circuit breaker: stops sending requests to endpoints that fail. Without it, only "
           "endpoints "
           "that cannot be reached are left out, and at most half of them."},
          {"limits", Object(&ResiliencePolicy::limits, LimitFields), kNoDefault,
           "Limits of what one client sends. What exceeds them fails at once."},
          {"loadBalancing",
           Choice(&ResiliencePolicy::load_balancing,
                  {{"roundRobin", LoadBalancing::kRoundRobin},
                   {"leastRequest", LoadBalancing::kLeastRequest},
                   {"peakEwma", LoadBalancing::kPeakEwma},
                   {"random", LoadBalancing::kRandom},
                   {"consistentHash", LoadBalancing::kConsistentHash}}),
           "roundRobin", "How an endpoint is chosen for a request."},
          {"hashOn", Object(&ResiliencePolicy::hash_on, HashFields), kNoDefault,
           "What consistentHash sends to the same endpoint. Exactly one field. Required with "
           "loadBalancing consistentHash, not allowed with others."},
          {"slowStart", Object(&ResiliencePolicy::slow_start, SlowStartFields), kNoDefault,
           "Sends fewer requests to endpoints that are new."},
          {"healthCheck", Object(&ResiliencePolicy::health_check, HealthCheckFields), kNoDefault,
           "Active health checks by the clients' sidecars."},
          {"localities", Object(&ResiliencePolicy::localities, LocalityFields), kNoDefault,
           "Preference by location. Exactly one field."},
          {"pools", Object(&ResiliencePolicy::pools, PoolFields), kNoDefault,
           "Connections that are kept open."},
          {"rateLimit", Object(&ResiliencePolicy::rate_limit, RateLimitFields), kNoDefault,
           "Rate limit of each instance of the Service. What exceeds it is answered with 429.",
           Effect::kRequests},
          {"fault", Object(&ResiliencePolicy::fault, FaultFields), kNoDefault,
           "Faults to inject at the Service, for testing.", Effect::kRequests},
      },
      FinishPolicy,
      {{"has(self.hashOn) == (has(self.loadBalancing) && self.loadBalancing == 'consistentHash')",
        "hashOn is required with loadBalancing consistentHash, and not used with others"},
       {"!has(self.slowStart) || !has(self.slowStart.window) || !has(self.loadBalancing) || "
        "self.loadBalancing in ['roundRobin', 'leastRequest']",
        "slowStart requires loadBalancing roundRobin or leastRequest"},
       {"!has(self.localities) || !has(self.localities.weights) || "
        "size(self.localities.weights) == 0 || !has(self.loadBalancing) || "
        "self.loadBalancing != 'peakEwma'",
        "weights of localities cannot be combined with loadBalancing peakEwma"}});
  return schema;
}

}  // namespace tulle::policy
