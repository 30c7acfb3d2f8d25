#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

void CheckRpcName(ObjectReader& reader, std::string_view key, const std::string& text,
                  bool is_regex, const TextFormat& exact) {
  if (text.empty()) return;
  const auto fault = is_regex ? CheckRegex(text) : exact.Check(text);
  if (fault) reader.Complain(key, *fault);
}

void FinishRpc(ObjectReader& reader, RpcMatch& rpc) {
  if (rpc.service.empty() && rpc.method.empty()) {
    reader.Complain("service", "required field is missing", "set service, method or both");
  }
  CheckRpcName(reader, "service", rpc.service, rpc.is_regex, kRpcService);
  CheckRpcName(reader, "method", rpc.method, rpc.is_regex, kRpcMethod);
  // Sidecars compare the whole path at once.
  if (!rpc.is_regex || CheckRegex(rpc.service + rpc.method)) return;
  if (const auto fault = CheckRegex(PatternOf(rpc))) reader.Complain("service", *fault);
}

const Schema<RpcMatch>& RpcFields() {
  static const Schema<RpcMatch> schema(
      {
          {"type", Choice(&RpcMatch::is_regex, {{"Exact", false}, {"RegularExpression", true}}),
           "Exact",
           "How service and method are compared. A regular expression (RE2) must match the whole "
           "name."},
          {"service", Text(&RpcMatch::service), "every service",
           "Full name of the gRPC service, such as `shop.Cart`. At least one of `service` and "
           "`method` is required."},
          {"method", Text(&RpcMatch::method), "every method", "Name of the method, such as `Add`."},
      },
      FinishRpc);
  return schema;
}

const Schema<RouteMatch>& GrpcMatchFields() {
  static const Schema<RouteMatch> schema({
      {"method", Object(&RouteMatch::rpc, RpcFields), kNoDefault,
       "Service and method that are called. Defaults to all."},
      {"headers", Objects(&RouteMatch::headers, HeaderMatchFields, kMaxHeaders, {"name", SameName}),
       kNoDefault, "Metadata that the call must have, all of it. No name twice."},
  });
  return schema;
}

void FinishGrpcRule(ObjectReader& reader, RouteRule& rule) {
  if (rule.matches.empty()) rule.matches.emplace_back();
  CheckMirrors(reader, rule);
}

const Schema<RouteRule>& GrpcRuleFields() {
  static const Schema<RouteRule> schema(
      {
          {"name", Text(&RouteRule::name, kDnsName), kNoDefault,
           "Name of the rule, unique in the route. It is part of the route's name in access logs "
           "and metrics: `NAMESPACE/ROUTE/RULE[MATCH]`."},
          {"matches", Objects(&RouteRule::matches, GrpcMatchFields, 64), "every call",
           "Calls that the rule is for: one of the matches must hold, with all that it says."},
          {"filters", GrpcRuleFilters(), kNoDefault, "Changes to calls and responses."},
          {"backendRefs", Objects(&RouteRule::backends, BackendFields, 16), kNoDefault,
           "Services that receive the calls. Without any, calls end with UNAVAILABLE."},
          {"sessionPersistence", Unsupported<RouteRule>("use hashOn of a ResiliencePolicy instead"),
           kNoDefault, ""},
      },
      FinishGrpcRule);
  return schema;
}

}  // namespace

const Schema<GrpcRoute>& GrpcRouteFields() {
  // The limits are the Gateway API's own.
  static const Schema<GrpcRoute> schema({
      {"parentRefs",
       Objects<GrpcRoute, ParentRef>(
           &GrpcRoute::parents, ParentFields, 32,
           {"name", [](const ParentRef& a, const ParentRef& b) { return a == b; }}),
       kRequired,
       "Services whose callers the route is for. For a Service of another namespace: its callers "
       "in "
       "the route's own namespace alone."},
      {"hostnames", Texts<GrpcRoute>(&GrpcRoute::hostnames, 16, kRouteHostName), kNoDefault,
       "Further names by which the first parent is called. `*.example.org` is allowed."},
      {"rules",
       Objects<GrpcRoute, RouteRule>(&GrpcRoute::rules, GrpcRuleFields, 16, {"name", SameRuleName}),
       kNoDefault,
       "Where calls go. The most specific match decides, among the rules of all GRPCRoutes of the "
       "Service; see \"Which rule\" in docs/policies.md. Without any, all calls end with "
       "UNIMPLEMENTED."},
  });
  return schema;
}

}  // namespace tulle::policy
