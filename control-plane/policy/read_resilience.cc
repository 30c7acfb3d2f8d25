#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

constexpr uint32_t kMostCount = 1000000;
constexpr size_t kMostLocalities = 32;
constexpr uint32_t kMostWeight = 1000;

void ReadTimeouts(ObjectReader& reader, Timeouts* timeouts) {
  timeouts->connect = reader.Duration("connect");
  if (timeouts->connect && timeouts->connect->count() == 0) {
    reader.Complain("connect", "cannot be none", "write a time like 3s");
  }
  timeouts->request = reader.Duration("request");
  timeouts->per_try = reader.Duration("perTry");
  timeouts->idle = reader.Duration("idle");
  const bool is_bounded = timeouts->request && timeouts->request->count() > 0;
  if (is_bounded && timeouts->per_try && *timeouts->per_try > *timeouts->request) {
    reader.Complain("perTry", "is longer than timeouts.request",
                    "make it at most " + FormatDuration(*timeouts->request));
  }
}

void CheckRetryWords(ObjectReader& reader, const std::vector<std::string>& words) {
  static const std::vector<std::string_view> kKnown = {
      "connect-failure", "refused-stream",    "reset-before-request",
      "reset",           "gateway-error",     "5xx",
      "retriable-4xx",   "unavailable",       "cancelled",
      "internal",        "deadline-exceeded", "resource-exhausted"};
  for (const std::string& word : words) {
    if (std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end()) continue;
    std::string hint =
        "see connect-failure, refused-stream, reset, gateway-error, 5xx, unavailable";
    if (const auto nearest = NearestName(word, kKnown)) hint = "did you mean " + *nearest + "?";
    reader.Complain("on", "\"" + word + "\" is no condition to retry on", hint);
  }
}

void ReadRetries(ObjectReader& reader, RetryPolicy* retries) {
  retries->attempts = reader.Integer("attempts", 0, 10);
  retries->on = reader.Texts("on", 16);
  CheckRetryWords(reader, retries->on);
  retries->codes = reader.Integers("codes", 400, 599, 32);
  reader.Object("backoff", [&](ObjectReader& backoff) {
    retries->backoff_base = backoff.Duration("base");
    retries->backoff_max = backoff.Duration("max");
    if (retries->backoff_base && retries->backoff_base->count() == 0) {
      backoff.Complain("base", "cannot be none", "write a time like 25ms");
    }
    const milliseconds base = retries->backoff_base.value_or(milliseconds(25));
    if (retries->backoff_max && *retries->backoff_max < base) {
      backoff.Complain("max", "is shorter than backoff.base",
                       "make it at least " + FormatDuration(base));
    }
  });
  reader.Object("budget", [&](ObjectReader& budget) {
    retries->budget_percent = budget.Integer("percent", 0, 100);
    retries->budget_min_concurrent = budget.Integer("minConcurrent", 0, 1000);
  });
}

void ReadBreaker(ObjectReader& reader, BreakerPolicy* breaker) {
  breaker->consecutive_failures = reader.Integer("consecutiveFailures", 0, 10000);
  breaker->on = reader.Choice<BreakerTrigger>(
      "on",
      {{"gatewayErrors", BreakerTrigger::kGatewayErrors}, {"all5xx", BreakerTrigger::kAll5xx}});
  breaker->open_for = reader.Duration("openFor");
  breaker->max_open_for = reader.Duration("maxOpenFor");
  breaker->max_open_percent = reader.Integer("maxOpenPercent", 0, 100);
  breaker->panic_below_percent = reader.Integer("panicBelowPercent", 0, 100);
  if (breaker->open_for && breaker->open_for->count() == 0) {
    reader.Complain("openFor", "cannot be none",
                    "write a time like 1s, or consecutiveFailures: 0 for no breaker");
  }
  const milliseconds open_for = breaker->open_for.value_or(milliseconds(1000));
  if (breaker->max_open_for && *breaker->max_open_for < open_for) {
    reader.Complain("maxOpenFor", "is shorter than openFor",
                    "make it at least " + FormatDuration(open_for));
  }
}

void CheckHashedHeader(ObjectReader& reader, const std::string& name) {
  constexpr std::string_view kOfTheRequest[] = {":authority", ":method", ":path"};
  const bool is_known = std::find(std::begin(kOfTheRequest), std::end(kOfTheRequest), name) !=
                        std::end(kOfTheRequest);
  if (name.empty() || IsToken(name) || is_known) return;
  reader.Complain("header", "\"" + name + "\" is no name of a header",
                  "letters, digits and -; or :authority, :method, :path");
}

void ReadCookie(ObjectReader& cookie, HashOn* hash) {
  hash->cookie = cookie.RequiredText("name", "name the cookie");
  if (!hash->cookie.empty() && !IsToken(hash->cookie)) {
    cookie.Complain("name", "is no name of a cookie", "letters, digits, - and _");
  }
  hash->cookie_ttl = cookie.Duration("ttl");
  hash->cookie_path = cookie.Text("path").value_or("");
  const bool is_path =
      hash->cookie_path.empty() ||
      (IsRequestPath(hash->cookie_path) && hash->cookie_path.find(';') == std::string::npos);
  if (!is_path) {
    cookie.Complain("path", "is no path of a cookie", "begin with /, without ; and blanks");
  }
}

// How many things it says to hash.
int ReadHashOn(ObjectReader& reader, HashOn* hash) {
  hash->header = reader.Text("header").value_or("");
  CheckHashedHeader(reader, hash->header);
  reader.Object("cookie", [&](ObjectReader& cookie) { ReadCookie(cookie, hash); });
  hash->query_parameter = reader.Text("queryParameter").value_or("");
  hash->source_ip = reader.Choice<bool>("sourceIp", {{"true", true}, {"false", false}}) == true;
  return (hash->header.empty() ? 0 : 1) + (hash->cookie.empty() ? 0 : 1) +
         (hash->query_parameter.empty() ? 0 : 1) + (hash->source_ip ? 1 : 0);
}

void ReadLoadBalancing(ObjectReader& spec, ResiliencePolicy* policy) {
  policy->load_balancing = spec.Choice<LoadBalancing>(
      "loadBalancing", {{"roundRobin", LoadBalancing::kRoundRobin},
                        {"leastRequest", LoadBalancing::kLeastRequest},
                        {"peakEwma", LoadBalancing::kPeakEwma},
                        {"random", LoadBalancing::kRandom},
                        {"consistentHash", LoadBalancing::kConsistentHash}});
  const bool hashed = policy->load_balancing == LoadBalancing::kConsistentHash;
  int said = 1;
  spec.Object("hashOn",
              [&](ObjectReader& reader) { said = ReadHashOn(reader, &policy->hash_on.emplace()); });
  if (said != 1) {
    spec.Complain("hashOn", "must say exactly one thing to hash",
                  "write one of header, cookie, queryParameter and sourceIp");
  }
  if (hashed && !policy->hash_on) {
    spec.Complain("hashOn", "is needed by loadBalancing: consistentHash",
                  "write hashOn: {header: x-user}, or a cookie, queryParameter or sourceIp");
  }
  if (!hashed && policy->hash_on) {
    spec.Complain("hashOn", "is for loadBalancing: consistentHash alone",
                  "write loadBalancing: consistentHash, or take hashOn out");
  }
  spec.Object("slowStart", [&](ObjectReader& reader) {
    policy->slow_start.window = reader.Duration("window");
    policy->slow_start.min_weight_percent = reader.Integer("minWeightPercent", 1, 100);
  });
  const LoadBalancing balancing = policy->load_balancing.value_or(LoadBalancing::kRoundRobin);
  if (policy->slow_start.window && balancing != LoadBalancing::kRoundRobin &&
      balancing != LoadBalancing::kLeastRequest) {
    spec.Complain("slowStart", "works with roundRobin and leastRequest",
                  "choose one of them, or take slowStart out");
  }
}

void ReadHealthCheck(ObjectReader& spec, ResiliencePolicy* policy) {
  spec.Object("healthCheck", [&](ObjectReader& reader) {
    HealthCheckPolicy& check = policy->health_check.emplace();
    check.protocol =
        reader
            .Choice<HealthCheckProtocol>("protocol", {{"http", HealthCheckProtocol::kHttp},
                                                      {"tcp", HealthCheckProtocol::kTcp},
                                                      {"grpc", HealthCheckProtocol::kGrpc}})
            .value_or(HealthCheckProtocol::kHttp);
    check.path = reader.Text("path").value_or("");
    check.service = reader.Text("service").value_or("");
    check.interval = reader.Duration("interval");
    check.timeout = reader.Duration("timeout");
    check.unhealthy_after = reader.Integer("unhealthyAfter", 1, 100);
    check.healthy_after = reader.Integer("healthyAfter", 1, 100);
    const bool is_http = check.protocol == HealthCheckProtocol::kHttp;
    if (is_http && (!IsRequestPath(check.path) || check.path.find('#') != std::string::npos)) {
      reader.Complain("path", "must be a path to ask, without blanks and #",
                      "write it like /healthz");
    }
    if (!is_http && !check.path.empty()) {
      reader.Complain("path", "is for protocol http alone", "take it out");
    }
    if (check.protocol != HealthCheckProtocol::kGrpc && !check.service.empty()) {
      reader.Complain("service", "is for protocol grpc alone", "take it out");
    }
    if ((check.interval && check.interval->count() == 0) ||
        (check.timeout && check.timeout->count() == 0)) {
      reader.Complain("interval", "and timeout cannot be none", "write a time like 5s");
    }
  });
}

void CheckLocality(ObjectReader& reader, std::string_view field, const std::string& locality) {
  if (IsLocality(locality)) return;
  reader.Complain(
      field, "\"" + locality + "\" is no locality",
      "write REGION, REGION/ZONE or REGION/ZONE/SUBZONE, as --locality of the sidecars");
}

void ReadLocalities(ObjectReader& spec, ResiliencePolicy* policy) {
  spec.Object("localities", [&](ObjectReader& reader) {
    LocalityPolicy& localities = policy->localities.emplace();
    localities.prefer_own =
        reader.Choice<bool>("preferOwn", {{"true", true}, {"false", false}}) == true;
    localities.priorities = reader.Texts("priorities", kMostLocalities);
    for (const std::string& each : localities.priorities) CheckLocality(reader, "priorities", each);
    reader.List("weights", kMostLocalities, [&](const YAML::Node& node, const std::string& path) {
      ObjectReader element(node, path, reader.diagnosis());
      LocalityWeight weight;
      weight.locality = element.RequiredText("locality", "name a region, like eu-west");
      CheckLocality(element, "locality", weight.locality);
      weight.weight = element.Integer("weight", 1, kMostWeight).value_or(1);
      element.Finish();
      localities.weights.push_back(std::move(weight));
    });
    const int said = (localities.prefer_own ? 1 : 0) + (localities.priorities.empty() ? 0 : 1) +
                     (localities.weights.empty() ? 0 : 1);
    if (said != 1) {
      spec.Complain("localities", "must say exactly one thing",
                    "write one of preferOwn: true, priorities and weights");
    }
    if (!localities.weights.empty() && policy->load_balancing == LoadBalancing::kPeakEwma) {
      spec.Complain("localities.weights", "do not go with loadBalancing: peakEwma",
                    "choose another, or say preferOwn or priorities");
    }
  });
}

// "identity", "route", or "header NAME".
void ReadLimitKey(ObjectReader& reader, RateLimitPolicy* limit) {
  const std::optional<std::string> key = reader.Text("key");
  if (!key) return;
  constexpr std::string_view kHeader = "header ";
  if (*key == "identity") {
    limit->key = LimitKey::kIdentity;
  } else if (*key == "route") {
    limit->key = LimitKey::kRoute;
  } else if (key->starts_with(kHeader) && IsToken(key->substr(kHeader.size()))) {
    limit->key = LimitKey::kHeader;
    limit->header = key->substr(kHeader.size());
  } else {
    reader.Complain("key", "\"" + *key + "\" is nothing to count apart by",
                    "write identity, route, or header NAME; leave it out for all callers together");
  }
}

RateLimitPolicy ReadRateLimit(ObjectReader& reader) {
  RateLimitPolicy limit;
  if (!reader.Has("requests")) {
    reader.Complain("requests", "is missing", "write how many requests may come in `per`");
  }
  limit.requests = reader.Integer("requests", 1, kMostCount).value_or(1);
  limit.per = reader.Duration("per").value_or(limit.per);
  if (limit.per < milliseconds(50)) {
    reader.Complain("per", "is too short", "write at least 50ms, like 1s or 1m");
  }
  limit.burst = reader.Integer("burst", 1, kMostCount);
  ReadLimitKey(reader, &limit);
  return limit;
}

FaultPolicy ReadFault(ObjectReader& reader) {
  FaultPolicy fault;
  reader.Object("delay", [&](ObjectReader& delay) {
    fault.delay = delay.Duration("fixed");
    fault.delay_percent = delay.Integer("percent", 0, 100).value_or(100);
    if (!fault.delay || fault.delay->count() == 0) {
      delay.Complain("fixed", "is missing or none", "write a time like 2s");
    }
  });
  reader.Object("abort", [&](ObjectReader& abort) {
    fault.abort_status = abort.Integer("status", 200, 599);
    fault.abort_grpc_status = abort.Integer("grpcStatus", 1, 16);
    fault.abort_percent = abort.Integer("percent", 0, 100).value_or(100);
    if (fault.abort_status.has_value() == fault.abort_grpc_status.has_value()) {
      abort.Complain("status", "or grpcStatus: one of them is needed", "write status: 503, say");
    }
  });
  fault.headers = ReadValueMatches(reader, "headers");
  if (!fault.delay && !fault.abort_status && !fault.abort_grpc_status) {
    reader.Complain("delay", "is missing, and so is abort", "write what shall happen");
  }
  return fault;
}

}  // namespace

ResiliencePolicy ReadResiliencePolicy(ObjectReader& spec, const std::string& ns) {
  ResiliencePolicy policy;
  policy.target = ReadTarget(spec, ns, {TargetKind::kService});
  spec.Object("timeouts", [&](ObjectReader& reader) { ReadTimeouts(reader, &policy.timeouts); });
  spec.Object("retries", [&](ObjectReader& reader) { ReadRetries(reader, &policy.retries); });
  spec.Object("breaker", [&](ObjectReader& reader) { ReadBreaker(reader, &policy.breaker); });
  spec.Object("limits", [&](ObjectReader& reader) {
    policy.limits.max_connections = reader.Integer("perClientMaxConnections", 1, kMostCount);
    policy.limits.max_pending_requests =
        reader.Integer("perClientMaxPendingRequests", 0, kMostCount);
    policy.limits.max_requests = reader.Integer("perClientMaxRequests", 1, kMostCount);
  });
  ReadLoadBalancing(spec, &policy);
  ReadHealthCheck(spec, &policy);
  ReadLocalities(spec, &policy);
  spec.Object("pools", [&](ObjectReader& reader) {
    policy.pools.idle_timeout = reader.Duration("idleTimeout");
    policy.pools.max_requests_per_connection =
        reader.Integer("maxRequestsPerConnection", 1, kMostCount);
    policy.pools.max_connection_age = reader.Duration("maxConnectionAge");
    policy.pools.max_idle_connections =
        reader.Integer("perClientMaxIdleConnections", 0, kMostCount);
  });
  spec.Object("rateLimit",
              [&](ObjectReader& reader) { policy.rate_limit = ReadRateLimit(reader); });
  spec.Object("fault", [&](ObjectReader& reader) { policy.fault = ReadFault(reader); });
  return policy;
}

}  // namespace tulle::policy
