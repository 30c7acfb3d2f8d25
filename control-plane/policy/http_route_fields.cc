#include <algorithm>

#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

bool IsCleanPath(const std::string& path) {
  return IsRequestPath(path) && path.find("//") == std::string::npos &&
         path.find("/./") == std::string::npos && path.find("/../") == std::string::npos &&
         path.find_first_of("?#") == std::string::npos;
}

void FinishPath(ObjectReader& reader, PathMatch& path) {
  if (path.type == PathMatchType::kRegularExpression) {
    if (const auto fault = CheckRegex(path.value)) reader.Complain("value", *fault);
    return;
  }
  if (!IsCleanPath(path.value)) {
    reader.Complain("value", "invalid path " + Quoted(path.value),
                    "begin with /, without //, /./, /../, ?, # and blanks (use %20), at most 1024 "
                    "bytes");
  }
  if (path.type == PathMatchType::kPathPrefix) {
    while (path.value.size() > 1 && path.value.back() == '/') path.value.pop_back();
  }
}

const Schema<PathMatch>& PathFields() {
  static const Schema<PathMatch> schema(
      {
          {"type",
           Choice(&PathMatch::type, {{"Exact", PathMatchType::kExact},
                                     {"PathPrefix", PathMatchType::kPathPrefix},
                                     {"RegularExpression", PathMatchType::kRegularExpression}}),
           "PathPrefix",
           "How the path is compared. A prefix matches whole segments: `/api` "
           "matches `/api/users` and not `/apis`. A regular expression (RE2) must "
           "match the whole path."},
          {"value", Text(&PathMatch::value, {.name = "path, or RE2 pattern"}), "/",
           "Path to compare with: begins with `/`, without `//`, `/./`, `/../`, `?` and `#`. At "
           "most 1024 bytes."},
      },
      FinishPath);
  return schema;
}

const Schema<ValueMatch>& QueryMatchFields() {
  static const Schema<ValueMatch> schema =
      ValueMatchFields(kAnyText, "Name of the query parameter.");
  return schema;
}

const Schema<RouteMatch>& MatchFields() {
  static const Schema<RouteMatch> schema({
      {"path", Object(&RouteMatch::path, PathFields), kNoDefault,
       "Path of the request. Defaults to every path."},
      {"headers", Objects(&RouteMatch::headers, HeaderMatchFields, kMaxHeaders, {"name", SameName}),
       kNoDefault, "Headers that the request must have, all of them. No name twice."},
      {"queryParams",
       Objects(&RouteMatch::query_params, QueryMatchFields, kMaxHeaders, {"name", SameName}),
       kNoDefault, "Query parameters that the request must have, all of them. No name twice."},
      {"method", Text(&RouteMatch::method, kMethod), "any method",
       "Method of the request, in upper case."},
  });
  return schema;
}

void FinishTimeouts(ObjectReader& reader, RouteRule& rule) {
  const bool is_bounded = rule.request_timeout && rule.request_timeout->count() > 0;
  if (!is_bounded || !rule.backend_request_timeout) return;
  if (*rule.backend_request_timeout <= *rule.request_timeout) return;
  reader.Complain("backendRequest", "longer than timeouts.request",
                  "must be at most " + FormatDuration(*rule.request_timeout));
}

const Schema<RouteRule>& TimeoutFields() {
  static const Schema<RouteRule> schema(
      {
          {"request", Duration(&RouteRule::request_timeout), "from the ResiliencePolicy",
           "Time for the whole request, including all attempts. `0s`: no limit."},
          {"backendRequest", Duration(&RouteRule::backend_request_timeout),
           "`perTry` of the ResiliencePolicy",
           "Time for one attempt. Must not be longer than `request`."},
      },
      FinishTimeouts);
  return schema;
}

const Schema<RouteRetry>& RetryFields() {
  static const Schema<RouteRetry> schema({
      {"attempts", Integer(&RouteRetry::attempts, 0, 10), "from the ResiliencePolicy",
       "Number of retries, not counting the first attempt. 0: never retry."},
      {"codes", Integers(&RouteRetry::codes, 400, 599, 32), "from the ResiliencePolicy",
       "Response codes to retry on."},
      {"backoff", Duration(&RouteRetry::backoff, kNotZero),
       "`backoff.base` of the ResiliencePolicy", "Base of the pause between attempts."},
  });
  return schema;
}

bool ReplacesPrefix(const std::optional<PathModifier>& path) { return path && path->prefix; }

// What the Gateway API forbids, or what could have no effect.
void FinishRule(ObjectReader& reader, RouteRule& rule) {
  if (rule.matches.empty()) rule.matches.emplace_back();
  if (rule.retry == RouteRetry()) rule.retry.reset();
  if (rule.redirect && rule.rewrite) {
    reader.Complain("filters", "RequestRedirect and URLRewrite cannot be combined",
                    "remove one of the two");
  }
  CheckMirrors(reader, rule);
  if (rule.redirect && !rule.backends.empty()) {
    reader.Complain("backendRefs", "backends of a rule that redirects are never called",
                    "remove backendRefs");
  }
  const bool replaces = (rule.redirect && ReplacesPrefix(rule.redirect->path)) ||
                        (rule.rewrite && ReplacesPrefix(rule.rewrite->path));
  const bool all_prefixes = std::all_of(
      rule.matches.begin(), rule.matches.end(),
      [](const RouteMatch& match) { return match.path.type == PathMatchType::kPathPrefix; });
  if (replaces && !all_prefixes) {
    reader.Complain("filters", "ReplacePrefixMatch requires matches by prefix",
                    "use path.type: PathPrefix in every match of this rule");
  }
}

const Schema<RouteRule>& RuleFields() {
  static const Schema<RouteRule> schema(
      {
          {"name", Text(&RouteRule::name, kDnsName), kNoDefault,
           "Name of the rule, unique in the route. It is part of the route's name in access logs "
           "and metrics: `NAMESPACE/ROUTE/RULE[MATCH]`."},
          {"matches", Objects(&RouteRule::matches, MatchFields, 64), "every request",
           "Requests that the rule is for: one of the matches must hold, with all that it says."},
          {"filters", RuleFilters(), kNoDefault, "Changes to requests and responses."},
          {"backendRefs", Objects(&RouteRule::backends, BackendFields, 16), kNoDefault,
           "Services that receive the requests. Without any, requests are answered with 500, "
           "unless the rule redirects."},
          {"timeouts", Part(TimeoutFields), kNoDefault,
           "Time limits, which override the "
           "ResiliencePolicy's."},
          {"retry", Object(&RouteRule::retry, RetryFields), kNoDefault,
           "Retries, which override the ResiliencePolicy's field by field."},
          {"sessionPersistence", Unsupported<RouteRule>("use hashOn of a ResiliencePolicy instead"),
           kNoDefault, ""},
      },
      FinishRule);
  return schema;
}

}  // namespace

const Schema<HttpRoute>& HttpRouteFields() {
  // The limits are the Gateway API's own.
  static const Schema<HttpRoute> schema({
      {"parentRefs",
       Objects<HttpRoute, ParentRef>(
           &HttpRoute::parents, ParentFields, 32,
           {"name", [](const ParentRef& a, const ParentRef& b) { return a == b; }}),
       kRequired,
       "Services whose callers the route is for. For a Service of another namespace: its callers "
       "in "
       "the route's own namespace alone."},
      {"hostnames", Texts<HttpRoute>(&HttpRoute::hostnames, 16, kRouteHostName), kNoDefault,
       "Further names by which the first parent is called. `*.example.org` is allowed."},
      {"rules",
       Objects<HttpRoute, RouteRule>(&HttpRoute::rules, RuleFields, 16, {"name", SameRuleName}),
       kRequired,
       "Where requests go. The most specific match decides, among the rules of all routes of the "
       "Service; see \"Which rule\" in docs/policies.md."},
  });
  return schema;
}

}  // namespace tulle::policy
