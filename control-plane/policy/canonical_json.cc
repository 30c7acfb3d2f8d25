#include "control-plane/policy/canonical_json.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "control-plane/policy/names.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

void Put(Json* json, const char* key, const std::optional<milliseconds>& value) {
  if (value) (*json)[key] = FormatDuration(*value);
}

void Put(Json* json, const char* key, const std::optional<uint32_t>& value) {
  if (value) (*json)[key] = *value;
}

template <typename Value>
void Put(Json* json, const char* key, const std::vector<Value>& values) {
  if (!values.empty()) (*json)[key] = values;
}

void PutObject(Json* json, const char* key, Json value) {
  if (!value.empty()) (*json)[key] = std::move(value);
}

// A whole number stays one.
Json NumberJson(double number) {
  const auto whole = static_cast<int64_t>(number);
  return static_cast<double>(whole) == number ? Json(whole) : Json(number);
}

Json TargetJson(const Target& target) {
  switch (target.kind) {
    case TargetKind::kMesh:
      return {{"kind", "Mesh"}};
    case TargetKind::kNamespace:
      return {{"kind", "Namespace"}, {"name", target.ns}};
    case TargetKind::kService:
      break;
  }
  return {{"kind", "Service"}, {"name", target.name}};
}

const char* TextOf(PathMatchType type) {
  switch (type) {
    case PathMatchType::kExact:
      return "Exact";
    case PathMatchType::kPathPrefix:
      return "PathPrefix";
    case PathMatchType::kRegularExpression:
      break;
  }
  return "RegularExpression";
}

Json ValueMatchesJson(const std::vector<ValueMatch>& matches) {
  Json list = Json::array();
  for (const ValueMatch& match : matches) {
    list.push_back({{"type", match.is_regex ? "RegularExpression" : "Exact"},
                    {"name", match.name},
                    {"value", match.value}});
  }
  return list;
}

Json MatchJson(const HttpRouteMatch& match) {
  Json json = {{"path", {{"type", TextOf(match.path.type)}, {"value", match.path.value}}}};
  PutObject(&json, "headers", ValueMatchesJson(match.headers));
  PutObject(&json, "queryParams", ValueMatchesJson(match.query_params));
  if (match.method) json["method"] = *match.method;
  return json;
}

Json HeadersJson(const std::vector<HeaderValue>& headers) {
  Json list = Json::array();
  for (const HeaderValue& header : headers) {
    list.push_back({{"name", header.name}, {"value", header.value}});
  }
  return list;
}

void PutFilter(Json* filters, const char* type, const char* key, const HeaderModifier& modifier) {
  Json json = Json::object();
  PutObject(&json, "set", HeadersJson(modifier.set));
  PutObject(&json, "add", HeadersJson(modifier.add));
  Put(&json, "remove", modifier.remove);
  if (!json.empty()) filters->push_back({{"type", type}, {key, json}});
}

Json PathJson(const PathModifier& path) {
  if (path.full) return {{"type", "ReplaceFullPath"}, {"replaceFullPath", *path.full}};
  return {{"type", "ReplacePrefixMatch"}, {"replacePrefixMatch", path.prefix.value_or("/")}};
}

Json RedirectJson(const RedirectFilter& redirect) {
  Json json = {{"statusCode", redirect.status}};
  if (redirect.scheme) json["scheme"] = *redirect.scheme;
  if (redirect.hostname) json["hostname"] = *redirect.hostname;
  if (redirect.path) json["path"] = PathJson(*redirect.path);
  Put(&json, "port", redirect.port);
  return json;
}

Json RewriteJson(const RewriteFilter& rewrite) {
  Json json = Json::object();
  if (rewrite.hostname) json["hostname"] = *rewrite.hostname;
  if (rewrite.path) json["path"] = PathJson(*rewrite.path);
  return json;
}

Json MirrorJson(const MirrorFilter& mirror) {
  return {{"backendRef", {{"name", mirror.service.name}, {"port", mirror.port}}},
          {"percent", mirror.percent}};
}

Json RuleJson(const HttpRouteRule& rule) {
  Json json = Json::object();
  for (const HttpRouteMatch& match : rule.matches) json["matches"].push_back(MatchJson(match));
  Json filters = Json::array();
  PutFilter(&filters, "RequestHeaderModifier", "requestHeaderModifier", rule.request_headers);
  PutFilter(&filters, "ResponseHeaderModifier", "responseHeaderModifier", rule.response_headers);
  if (rule.redirect)
    filters.push_back(
        {{"type", "RequestRedirect"}, {"requestRedirect", RedirectJson(*rule.redirect)}});
  if (rule.rewrite)
    filters.push_back({{"type", "URLRewrite"}, {"urlRewrite", RewriteJson(*rule.rewrite)}});
  for (const MirrorFilter& mirror : rule.mirrors)
    filters.push_back({{"type", "RequestMirror"}, {"requestMirror", MirrorJson(mirror)}});
  PutObject(&json, "filters", filters);
  for (const BackendRef& backend : rule.backends) {
    json["backendRefs"].push_back(
        {{"name", backend.service.name}, {"port", backend.port}, {"weight", backend.weight}});
  }
  Json timeouts = Json::object();
  Put(&timeouts, "request", rule.request_timeout);
  Put(&timeouts, "backendRequest", rule.backend_request_timeout);
  PutObject(&json, "timeouts", timeouts);
  if (rule.retry) {
    Json retry = Json::object();
    Put(&retry, "codes", rule.retry->codes);
    Put(&retry, "attempts", rule.retry->attempts);
    Put(&retry, "backoff", rule.retry->backoff);
    PutObject(&json, "retry", retry);
  }
  return json;
}

Json SpecJson(const HttpRoute& route) {
  Json json = Json::object();
  for (const ParentRef& parent : route.parents) {
    Json reference = {{"kind", "Service"}, {"name", parent.service.name}};
    Put(&reference, "port", parent.port);
    json["parentRefs"].push_back(reference);
  }
  Put(&json, "hostnames", route.hostnames);
  json["rules"] = Json::array();
  for (const HttpRouteRule& rule : route.rules) json["rules"].push_back(RuleJson(rule));
  return json;
}

Json RetriesJson(const RetryPolicy& retries) {
  Json json = Json::object();
  Put(&json, "attempts", retries.attempts);
  Put(&json, "on", retries.on);
  Put(&json, "codes", retries.codes);
  Json backoff = Json::object();
  Put(&backoff, "base", retries.backoff_base);
  Put(&backoff, "max", retries.backoff_max);
  PutObject(&json, "backoff", backoff);
  Json budget = Json::object();
  Put(&budget, "percent", retries.budget_percent);
  Put(&budget, "minConcurrent", retries.budget_min_concurrent);
  PutObject(&json, "budget", budget);
  return json;
}

Json BreakerJson(const BreakerPolicy& breaker) {
  Json json = Json::object();
  Put(&json, "consecutiveFailures", breaker.consecutive_failures);
  if (breaker.on) {
    json["on"] = *breaker.on == BreakerTrigger::kGatewayErrors ? "gatewayErrors" : "all5xx";
  }
  Put(&json, "openFor", breaker.open_for);
  Put(&json, "maxOpenFor", breaker.max_open_for);
  Put(&json, "maxOpenPercent", breaker.max_open_percent);
  Put(&json, "panicBelowPercent", breaker.panic_below_percent);
  return json;
}

std::string_view Name(LoadBalancing balancing) {
  switch (balancing) {
    case LoadBalancing::kRoundRobin:
      return "roundRobin";
    case LoadBalancing::kLeastRequest:
      return "leastRequest";
    case LoadBalancing::kPeakEwma:
      return "peakEwma";
    case LoadBalancing::kRandom:
      return "random";
    case LoadBalancing::kConsistentHash:
      return "consistentHash";
  }
  return "";
}

Json HashOnJson(const HashOn& hash) {
  if (!hash.header.empty()) return {{"header", hash.header}};
  if (!hash.query_parameter.empty()) return {{"queryParameter", hash.query_parameter}};
  if (hash.source_ip) return {{"sourceIp", true}};
  Json cookie = {{"name", hash.cookie}};
  Put(&cookie, "ttl", hash.cookie_ttl);
  if (!hash.cookie_path.empty()) cookie["path"] = hash.cookie_path;
  return {{"cookie", cookie}};
}

Json HealthCheckJson(const HealthCheckPolicy& check) {
  Json json = Json::object();
  switch (check.protocol) {
    case HealthCheckProtocol::kHttp:
      json["protocol"] = "http";
      break;
    case HealthCheckProtocol::kTcp:
      json["protocol"] = "tcp";
      break;
    case HealthCheckProtocol::kGrpc:
      json["protocol"] = "grpc";
      break;
  }
  if (!check.path.empty()) json["path"] = check.path;
  if (!check.service.empty()) json["service"] = check.service;
  Put(&json, "interval", check.interval);
  Put(&json, "timeout", check.timeout);
  Put(&json, "unhealthyAfter", check.unhealthy_after);
  Put(&json, "healthyAfter", check.healthy_after);
  return json;
}

Json RateLimitJson(const RateLimitPolicy& limit) {
  Json json = {{"requests", limit.requests}, {"per", FormatDuration(limit.per)}};
  Put(&json, "burst", limit.burst);
  if (limit.key == LimitKey::kIdentity) json["key"] = "identity";
  if (limit.key == LimitKey::kRoute) json["key"] = "route";
  if (limit.key == LimitKey::kHeader) json["key"] = "header " + limit.header;
  return json;
}

Json FaultJson(const FaultPolicy& fault) {
  Json json = Json::object();
  if (fault.delay)
    json["delay"] = {{"fixed", FormatDuration(*fault.delay)}, {"percent", fault.delay_percent}};
  Json abort = Json::object();
  Put(&abort, "status", fault.abort_status);
  Put(&abort, "grpcStatus", fault.abort_grpc_status);
  if (!abort.empty()) abort["percent"] = fault.abort_percent;
  PutObject(&json, "abort", abort);
  PutObject(&json, "headers", ValueMatchesJson(fault.headers));
  return json;
}

Json LocalitiesJson(const LocalityPolicy& localities) {
  Json json = Json::object();
  if (localities.prefer_own) json["preferOwn"] = true;
  Put(&json, "priorities", localities.priorities);
  for (const LocalityWeight& weight : localities.weights) {
    json["weights"].push_back({{"locality", weight.locality}, {"weight", weight.weight}});
  }
  return json;
}

Json SpecJson(const ResiliencePolicy& policy) {
  Json json = {{"targetRef", TargetJson(policy.target)}};
  Json timeouts = Json::object();
  Put(&timeouts, "connect", policy.timeouts.connect);
  Put(&timeouts, "request", policy.timeouts.request);
  Put(&timeouts, "perTry", policy.timeouts.per_try);
  Put(&timeouts, "idle", policy.timeouts.idle);
  PutObject(&json, "timeouts", timeouts);
  PutObject(&json, "retries", RetriesJson(policy.retries));
  PutObject(&json, "breaker", BreakerJson(policy.breaker));
  Json limits = Json::object();
  Put(&limits, "perClientMaxConnections", policy.limits.max_connections);
  Put(&limits, "perClientMaxPendingRequests", policy.limits.max_pending_requests);
  Put(&limits, "perClientMaxRequests", policy.limits.max_requests);
  PutObject(&json, "limits", limits);
  if (policy.load_balancing) json["loadBalancing"] = Name(*policy.load_balancing);
  if (policy.hash_on) json["hashOn"] = HashOnJson(*policy.hash_on);
  Json slow = Json::object();
  Put(&slow, "window", policy.slow_start.window);
  Put(&slow, "minWeightPercent", policy.slow_start.min_weight_percent);
  PutObject(&json, "slowStart", slow);
  if (policy.health_check) json["healthCheck"] = HealthCheckJson(*policy.health_check);
  if (policy.localities) json["localities"] = LocalitiesJson(*policy.localities);
  Json pools = Json::object();
  Put(&pools, "idleTimeout", policy.pools.idle_timeout);
  Put(&pools, "maxRequestsPerConnection", policy.pools.max_requests_per_connection);
  Put(&pools, "maxConnectionAge", policy.pools.max_connection_age);
  Put(&pools, "perClientMaxIdleConnections", policy.pools.max_idle_connections);
  PutObject(&json, "pools", pools);
  if (policy.rate_limit) json["rateLimit"] = RateLimitJson(*policy.rate_limit);
  if (policy.fault) json["fault"] = FaultJson(*policy.fault);
  return json;
}

Json SpecJson(const AuthorizationPolicy& policy) {
  Json json = {{"targetRef", TargetJson(policy.target)},
               {"action", policy.action == AuthorizationAction::kAllow ? "ALLOW" : "DENY"}};
  for (const AuthorizationRule& rule : policy.rules) {
    Json from = Json::object();
    Put(&from, "principals", rule.principals);
    Put(&from, "namespaces", rule.namespaces);
    Json to = Json::object();
    Put(&to, "methods", rule.methods);
    Put(&to, "paths", rule.paths);
    Put(&to, "ports", rule.ports);
    Json both = Json::object();
    PutObject(&both, "from", from);
    PutObject(&both, "to", to);
    json["rules"].push_back(both);
  }
  return json;
}

Json SpecJson(const PeerAuthentication& policy) {
  return {{"targetRef", TargetJson(policy.target)},
          {"mode", policy.mode == MtlsMode::kStrict ? "STRICT" : "PERMISSIVE"}};
}

Json SpecJson(const ExternalService& service) {
  Json json = {{"hosts", service.hosts}, {"resolution", "STATIC"}};
  if (service.resolution == Resolution::kDns) json["resolution"] = "DNS";
  if (service.resolution == Resolution::kLogicalDns) json["resolution"] = "LOGICAL_DNS";
  if (!service.endpoints.empty()) json["endpoints"] = service.endpoints;
  for (const ExternalPort& port : service.ports) {
    json["ports"].push_back(
        {{"number", port.number}, {"protocol", std::string(ToText(port.protocol))}});
  }
  return json;
}

Json SpecJson(const TelemetryPolicy& policy) {
  Json json = {{"targetRef", TargetJson(policy.target)}};
  Json tracing = Json::object();
  if (policy.tracing.collector) tracing["collector"] = *policy.tracing.collector;
  if (policy.tracing.sampling) tracing["sampling"] = NumberJson(*policy.tracing.sampling);
  PutObject(&json, "tracing", tracing);
  if (policy.access_log) {
    json["accessLog"]["format"] = *policy.access_log == AccessLogForm::kIstio  ? "istio"
                                  : *policy.access_log == AccessLogForm::kJson ? "json"
                                                                               : "off";
  }
  return json;
}

Json SpecJson(const EgressPolicy& policy) {
  return {{"targetRef", TargetJson(policy.target)},
          {"unknownDestinations", policy.unknown == UnknownDestinations::kDeny ? "DENY" : "ALLOW"}};
}

Json DocumentJson(const Document& document) {
  Json metadata = {{"name", document.key.name}, {"namespace", document.key.ns}};
  if (!document.labels.empty()) metadata["labels"] = document.labels;
  if (!document.annotations.empty()) metadata["annotations"] = document.annotations;
  const bool is_route = document.key.kind == Kind::kHttpRoute;
  return {{"apiVersion", std::string(is_route ? kGatewayApiVersion : kTulleApiVersion)},
          {"kind", std::string(ToText(document.key.kind))},
          {"metadata", metadata},
          {"spec", std::visit([](const auto& spec) { return SpecJson(spec); }, document.spec)}};
}

void EmitText(YAML::Emitter* out, const std::string& text) {
  // What YAML would read as another type is written in quotes.
  const bool is_plain =
      !text.empty() && text.find_first_of(" \t:#{}[],&*!|>'\"%@`") == std::string::npos &&
      (std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '/') &&
      text != "true" && text != "false" && text != "null" && text != "yes" && text != "no" &&
      text != "on" && text != "off";
  if (!is_plain) *out << YAML::DoubleQuoted;
  *out << text;
}

void Emit(YAML::Emitter* out, const Json& json) {
  if (json.is_object()) {
    if (json.empty()) *out << YAML::Flow;
    *out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      *out << YAML::Key << key << YAML::Value;
      Emit(out, value);
    }
    *out << YAML::EndMap;
  } else if (json.is_array()) {
    *out << YAML::BeginSeq;
    for (const Json& value : json) Emit(out, value);
    *out << YAML::EndSeq;
  } else if (json.is_string()) {
    EmitText(out, json.get<std::string>());
  } else if (json.is_number_float() || json.is_boolean()) {
    *out << json.dump();
  } else {
    *out << json.get<int64_t>();
  }
}

}  // namespace

std::string ToJson(const Document& document) {
  return DocumentJson(document).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToYaml(const Document& document) {
  YAML::Emitter out;
  Emit(&out, DocumentJson(document));
  return std::string(out.c_str()) + "\n";
}

}  // namespace tulle::policy
