// Routes as values: exactly what the YAML says, without defaults and derived values. Part of
// model.h. Thread: any; immutable once parsed.
// Source: gateway.networking.k8s.io/v1 HTTPRoute and GRPCRoute (bound to Services,
// GEP-1426, GEP-1731).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tulle::policy {

using std::chrono::milliseconds;

struct ServiceName {
  std::string ns;
  std::string name;

  auto operator<=>(const ServiceName&) const = default;
};

enum class PathMatchType { kExact, kPathPrefix, kRegularExpression };

struct PathMatch {
  PathMatchType type = PathMatchType::kPathPrefix;
  std::string value = "/";

  bool operator==(const PathMatch&) const = default;
};

struct ValueMatch {  // of a header or a query parameter
  std::string name;
  std::string value;
  bool is_regex = false;

  bool operator==(const ValueMatch&) const = default;
};

struct RpcMatch {  // of a GRPCRoute: one of service and method may be empty, and then matches all
  std::string service;
  std::string method;
  bool is_regex = false;

  bool operator==(const RpcMatch&) const = default;
};

struct RouteMatch {  // all fields must match
  PathMatch path;
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query_params;
  std::optional<std::string> method;
  std::optional<RpcMatch> rpc = {};  // then the path is not set

  bool operator==(const RouteMatch&) const = default;
};

struct HeaderValue {
  std::string name;
  std::string value;

  bool operator==(const HeaderValue&) const = default;
};

struct HeaderModifier {
  std::vector<HeaderValue> set;
  std::vector<HeaderValue> add;
  std::vector<std::string> remove;

  bool operator==(const HeaderModifier&) const = default;
};

struct BackendRef {
  ServiceName service;
  uint32_t port = 0;
  uint32_t weight = 1;
  HeaderModifier request_headers = {};  // of requests to this backend, beside the rule's
  HeaderModifier response_headers = {};
  // Why its share of the requests is answered with an error: "Service shop/pots not found". Set by
  // the source of the route, which knows what exists; never parsed or written. Empty: valid.
  std::string invalid = {};

  bool operator==(const BackendRef&) const = default;
};

struct RouteRetry {  // GEP-1731; wins field by field over ResiliencePolicy
  std::vector<uint32_t> codes;
  std::optional<uint32_t> attempts;
  std::optional<milliseconds> backoff;

  bool operator==(const RouteRetry&) const = default;
};

struct Fraction {  // of the requests
  uint32_t numerator = 0;
  uint32_t denominator = 100;

  bool operator==(const Fraction&) const = default;
};

struct MirrorFilter {  // RequestMirror
  ServiceName service;
  uint32_t port = 0;
  std::optional<uint32_t> percent = {};  // at most one of the two; neither: all requests
  std::optional<Fraction> fraction = {};
  std::string invalid = {};  // as of a BackendRef: then nothing is copied

  bool operator==(const MirrorFilter&) const = default;
};

struct PathModifier {                 // one of the two
  std::optional<std::string> full;    // ReplaceFullPath
  std::optional<std::string> prefix;  // ReplacePrefixMatch

  bool operator==(const PathModifier&) const = default;
};

struct RedirectFilter {  // RequestRedirect
  std::optional<std::string> scheme;
  std::optional<std::string> hostname;
  std::optional<PathModifier> path;
  std::optional<uint32_t> port;
  uint32_t status = 302;

  bool operator==(const RedirectFilter&) const = default;
};

struct RewriteFilter {  // URLRewrite
  std::optional<std::string> hostname;
  std::optional<PathModifier> path;

  bool operator==(const RewriteFilter&) const = default;
};

struct RouteRule {
  std::string name = {};            // unique in the route; may be empty
  std::vector<RouteMatch> matches;  // any must match; not empty after parsing
  HeaderModifier request_headers;
  HeaderModifier response_headers;
  std::vector<BackendRef> backends;  // none: an error, as the Gateway API requires
  std::optional<milliseconds> request_timeout;
  std::optional<milliseconds> backend_request_timeout;
  std::optional<RouteRetry> retry;
  std::vector<MirrorFilter> mirrors;
  std::optional<RedirectFilter> redirect;  // then there are no backends
  std::optional<RewriteFilter> rewrite;

  bool operator==(const RouteRule&) const = default;
};

struct ParentRef {
  ServiceName service;
  std::optional<uint32_t> port;  // absent: every port of the service

  auto operator<=>(const ParentRef&) const = default;
};

// What all kinds of routes have.
struct Route {
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;  // further names of the first parent
  std::vector<RouteRule> rules;

  bool operator==(const Route&) const = default;
};

struct HttpRoute : Route {
  bool operator==(const HttpRoute&) const = default;
};

struct GrpcRoute : Route {
  bool operator==(const GrpcRoute&) const = default;
};

}  // namespace tulle::policy
