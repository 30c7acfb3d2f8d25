#include "tests/policies/policy_generator.h"

namespace tulle::policies {
namespace {

constexpr char kWhole[] = R"json([
{"kind": "HTTPRoute", "metadata": {"name": "match", "labels": {"team": "a"}, "annotations": {"note": "b"}}, "spec": {
  "parentRefs": [{"group": "", "kind": "Service", "namespace": "default", "name": "post", "port": 80}, {"kind": "Service", "name": "user"}],
  "hostnames": ["posts.example.org", "*.example.com"],
  "rules": [
    {"name": "new-posts", "matches": [
       {"path": {"type": "Exact", "value": "/new"}, "method": "POST",
        "headers": [{"type": "Exact", "name": "x-beta", "value": "1"}, {"type": "RegularExpression", "name": "x-user", "value": "[a-z]+"}],
        "queryParams": [{"type": "RegularExpression", "name": "q", "value": "a+"}, {"type": "Exact", "name": "r", "value": "b"}]},
       {"path": {"type": "RegularExpression", "value": "/v[0-9]+/.*"}}],
     "backendRefs": [{"group": "", "kind": "Service", "namespace": "default", "name": "post", "port": 80, "weight": 90,
        "filters": [
          {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}], "add": [{"name": "x-c", "value": "d"}], "remove": ["x-e"]}},
          {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-f", "value": "g"}], "add": [{"name": "x-h", "value": "i"}], "remove": ["x-j"]}}]},
       {"name": "user", "port": 80, "weight": 10}]}]}},
{"kind": "HTTPRoute", "metadata": {"name": "change"}, "spec": {
  "parentRefs": [{"kind": "Service", "name": "cart", "port": 80}],
  "rules": [
    {"filters": [
       {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}], "add": [{"name": "x-c", "value": "d"}], "remove": ["x-e"]}},
       {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-f", "value": "g"}], "add": [{"name": "x-h", "value": "i"}], "remove": ["x-j"]}},
       {"type": "URLRewrite", "urlRewrite": {"hostname": "inside.example", "path": {"type": "ReplaceFullPath", "replaceFullPath": "/two"}}},
       {"type": "RequestMirror", "requestMirror": {"backendRef": {"group": "", "kind": "Service", "namespace": "default", "name": "cart", "port": 80}, "percent": 10}}],
     "backendRefs": [{"name": "cart", "port": 80}],
     "timeouts": {"request": "2s", "backendRequest": "500ms"},
     "retry": {"attempts": 3, "codes": [503], "backoff": "10ms"}}]}},
{"kind": "HTTPRoute", "metadata": {"name": "move"}, "spec": {
  "parentRefs": [{"kind": "Service", "name": "user", "port": 81}],
  "rules": [
    {"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
     "filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}],
     "backendRefs": [{"name": "post", "port": 80}]},
    {"matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
     "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "hostname": "elsewhere.example", "port": 8443, "statusCode": 307, "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}}]},
    {"matches": [{"path": {"type": "PathPrefix", "value": "/gone"}}],
     "filters": [{"type": "RequestRedirect", "requestRedirect": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/here"}}}]}]}},
{"kind": "GRPCRoute", "metadata": {"name": "call"}, "spec": {
  "parentRefs": [{"group": "", "kind": "Service", "namespace": "default", "name": "user", "port": 9090}],
  "hostnames": ["calls.example.org"],
  "rules": [
    {"name": "add",
     "matches": [
       {"method": {"type": "Exact", "service": "shop.v1.Cart", "method": "Add"},
        "headers": [{"type": "Exact", "name": "x-beta", "value": "1"}, {"type": "RegularExpression", "name": "x-user", "value": "[a-z]+"}]},
       {"method": {"type": "RegularExpression", "service": "shop\\..*", "method": "Get.*"}}],
     "filters": [
       {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}},
       {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x-j"]}},
       {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "cart", "port": 80}, "fraction": {"numerator": 1, "denominator": 1000}}}],
     "backendRefs": [{"name": "user", "port": 9090, "weight": 3}, {"name": "post", "port": 9090}]}]}},
{"kind": "ResiliencePolicy", "metadata": {"name": "by-header"}, "spec": {
  "targetRef": {"group": "", "kind": "Service", "namespace": "default", "name": "post"},
  "timeouts": {"connect": "1s", "request": "15s", "perTry": "2s", "idle": "5m"},
  "retries": {"attempts": 2, "on": ["reset", "5xx"], "codes": [409], "backoff": {"base": "25ms", "max": "1s"}, "budget": {"percent": 10, "minConcurrent": 5}},
  "breaker": {"consecutiveFailures": 7, "on": "all5xx", "openFor": "2s", "maxOpenFor": "1m", "maxOpenPercent": 50, "panicBelowPercent": 30},
  "limits": {"perClientMaxConnections": 10, "perClientMaxPendingRequests": 0, "perClientMaxRequests": 20},
  "loadBalancing": "consistentHash", "hashOn": {"header": "x-user"},
  "healthCheck": {"protocol": "http", "path": "/healthz", "interval": "5s", "timeout": "1s", "unhealthyAfter": 2, "healthyAfter": 1},
  "localities": {"preferOwn": true},
  "pools": {"idleTimeout": "1m", "maxRequestsPerConnection": 100, "maxConnectionAge": "1h", "perClientMaxIdleConnections": 3},
  "rateLimit": {"requests": 10, "per": "1m", "burst": 20, "key": "route"},
  "fault": {"delay": {"fixed": "2s", "percent": 5}, "abort": {"status": 503, "percent": 1}, "headers": [{"name": "x-test", "type": "RegularExpression", "value": "a.*"}]}}},
{"kind": "ResiliencePolicy", "metadata": {"name": "by-cookie"}, "spec": {
  "targetRef": {"kind": "Service", "name": "user"},
  "breaker": {"consecutiveFailures": 3, "on": "gatewayErrors"},
  "loadBalancing": "consistentHash", "hashOn": {"cookie": {"name": "lb", "ttl": "1h", "path": "/shop"}},
  "healthCheck": {"protocol": "grpc", "service": "shop.Cart"},
  "localities": {"priorities": ["eu-west/a", "eu"]},
  "rateLimit": {"requests": 1, "per": "50ms", "key": "header x-user"},
  "fault": {"abort": {"grpcStatus": 14}, "headers": [{"name": "x-test", "value": "1"}]}}},
{"kind": "ResiliencePolicy", "metadata": {"name": "by-query"}, "spec": {
  "targetRef": {"kind": "Service", "name": "cart"},
  "loadBalancing": "consistentHash", "hashOn": {"queryParameter": "q"},
  "healthCheck": {"protocol": "tcp"},
  "rateLimit": {"requests": 5, "key": "identity"}}},
{"kind": "ResiliencePolicy", "metadata": {"name": "by-address"}, "spec": {
  "targetRef": {"kind": "Service", "name": "redis"},
  "loadBalancing": "consistentHash", "hashOn": {"sourceIp": true}}},
{"kind": "ResiliencePolicy", "metadata": {"name": "slowly"}, "spec": {
  "targetRef": {"kind": "Service", "name": "post"},
  "loadBalancing": "leastRequest", "slowStart": {"window": "30s", "minWeightPercent": 5},
  "localities": {"weights": [{"locality": "eu-west", "weight": 3}, {"locality": "eu-west/a/r1", "weight": 1}]},
  "timeouts": {"request": "0s"}, "retries": {"attempts": 0}, "breaker": {"consecutiveFailures": 0}}},
{"kind": "ResiliencePolicy", "metadata": {"name": "ewma"}, "spec": {
  "targetRef": {"kind": "Service", "name": "user"}, "loadBalancing": "peakEwma"}},
{"kind": "ResiliencePolicy", "metadata": {"name": "random"}, "spec": {
  "targetRef": {"kind": "Service", "name": "cart"}, "loadBalancing": "random"}},
{"kind": "ResiliencePolicy", "metadata": {"name": "round"}, "spec": {
  "targetRef": {"kind": "Service", "name": "redis"}, "loadBalancing": "roundRobin", "slowStart": {"window": "1s"}}},
{"kind": "AuthorizationPolicy", "metadata": {"name": "allow"}, "spec": {
  "targetRef": {"kind": "Service", "name": "post"}, "action": "ALLOW",
  "rules": [
    {"from": {"principals": ["ns/default/sa/gateway", "spiffe://cluster.local/ns/*", "*"], "namespaces": ["default", "shop"]},
     "to": {"methods": ["GET"], "paths": ["/posts/*", "/exact"], "ports": [80]}},
    {"from": {"principals": ["ns/default/sa/post*"]}}, {"to": {"ports": [9090]}}, {}]}},
{"kind": "AuthorizationPolicy", "metadata": {"name": "deny"}, "spec": {
  "targetRef": {"kind": "Service", "name": "post"}, "action": "DENY",
  "rules": [{"from": {"namespaces": ["other"]}, "to": {"paths": ["/admin/*"]}}, {"to": {"methods": ["DELETE"]}}]}},
{"kind": "AuthorizationPolicy", "metadata": {"name": "closed"}, "spec": {
  "targetRef": {"kind": "Namespace", "name": "default"}, "action": "ALLOW"}},
{"kind": "PeerAuthentication", "metadata": {"name": "service"}, "spec": {"targetRef": {"kind": "Service", "name": "post"}, "mode": "STRICT"}},
{"kind": "PeerAuthentication", "metadata": {"name": "mesh"}, "spec": {"targetRef": {"kind": "Mesh"}, "mode": "PERMISSIVE"}},
{"kind": "ExternalService", "metadata": {"name": "fixed"}, "spec": {
  "hosts": ["api.bank.example", "api2.bank.example"], "resolution": "STATIC",
  "ports": [{"number": 80, "protocol": "http"}, {"number": 443, "protocol": "tcp"}, {"number": 50051, "protocol": "grpc"}],
  "endpoints": ["192.0.2.7", "2001:db8::7"]}},
{"kind": "ExternalService", "metadata": {"name": "resolved"}, "spec": {
  "hosts": ["www.example.net"], "resolution": "DNS", "ports": [{"number": 443, "protocol": "tcp"}]}},
{"kind": "ExternalService", "metadata": {"name": "one-of-many"}, "spec": {
  "hosts": ["big.example.net"], "resolution": "LOGICAL_DNS", "ports": [{"number": 80, "protocol": "http"}]}},
{"kind": "TelemetryPolicy", "metadata": {"name": "mesh"}, "spec": {
  "targetRef": {"kind": "Mesh"}, "tracing": {"collector": "collector.example:4317", "sampling": 0.5}, "accessLog": {"format": "json"}}},
{"kind": "TelemetryPolicy", "metadata": {"name": "service"}, "spec": {
  "targetRef": {"kind": "Service", "name": "post"}, "tracing": {"collector": "[2001:db8::9]:9411/spans", "protocol": "zipkin", "sampling": 100, "rateLimit": 5, "alwaysOnError": false, "slowerThan": "500ms"}, "accessLog": {"format": "istio"}}},
{"kind": "TelemetryPolicy", "metadata": {"name": "silent"}, "spec": {
  "targetRef": {"kind": "Namespace"}, "accessLog": {"format": "off"}}},
{"kind": "TelemetryPolicy", "metadata": {"name": "collected"}, "spec": {
  "targetRef": {"kind": "Service", "name": "post"}, "tracing": {"sampling": 0, "alwaysOnError": true}, "accessLog": {"format": "json", "collector": "10.0.0.7:4318/v1/logs", "protocol": "otlp-http"}}},
{"kind": "EgressPolicy", "metadata": {"name": "mesh"}, "spec": {"targetRef": {"kind": "Mesh"}, "unknownDestinations": "DENY"}}
])json";

// What a document breaks at: formats, escapes, regular expressions, limits, YAML's own words.
constexpr char kOdd[] = R"json([
  "", " ", "a b", "\t", "a\tb", "a\nb", "a\r\nx: y", "\u0001", "\u0000", "\u007f", "\u00e9", "\u65e5\u672c", "\u2028",
  "%", "50%", "%%", "%REQ(x)%", "\\", "a\\b", "\\1", "\\0", "$1", "*", "a*b", "*.", ".", "..",
  "/", "//", "/a\\b", "/\\1", "/a b", "/a\tb", "/%", "/50%", "/a/", "/..", "/a?b=c", "/a#b", "/\u00e9", "/*", "/a*b", "/(", "/a;b", "/'\"",
  "(", "[a-z]+", "((a{30}){30}){30}", "\\pL{30}", "a{1000}", ".*", "^$", "(?i)x", "\\C",
  "~", "null", "Null", "true", "yes", "on", "1e5", "0x10", "010", "1_000", ".inf", "-", "- a", "? a", "a: b", "a #b", "'", "\"", "`a", "@a", "!a", "&a", "|", ">", "{}", "[]", ",",
  "0s", "1ms", "49ms", "50ms", "87600h", "87601h", "99999h", "99999h99999h", "1h1h1h1h", "1s1s1s1s1s", "010s", "1m30s",
  "Host", "Keep-Alive", "TE", "Upgrade", "Trailer", "Proxy-Connection", "Connection", "X-Forwarded-Client-Cert", ":path", ":authority", "header ", "header a b", "header x-b", "identity",
  "cluster.local", "post.default.svc.cluster.local", "*.cluster.local", "Post.Default.svc.cluster.local", "post.default.svc.cluster.local.", "post.default.svc", "post.default", "post", "nobody",
  "collector.default.svc.cluster.local:4317", "[a b]:1", "[::1]:1", "[zz]:1", "a:0", "a:65536", "a:00080", "1.2.3.4:5", "::", "0.0.0.0", "::ffff:1.2.3.4", "1.2.3", "localhost",
  "spiffe://", "spiffe://*", "ns/", "ns/*", "eu", "eu/a/b", "eu/a/b/c", "X", "GET",
  "HTTPRoute", "Exact", "PathPrefix", "RegularExpression", "ReplaceFullPath", "ReplacePrefixMatch", "tcp", "grpc", "http", "DNS", "STATIC", "Namespace", "Mesh", "Service", "consistentHash", "peakEwma",
  0, 1, 2, 3, 16, 99, 100, 101, 200, 301, 500, 599, 65535, 65536, 1000000, 1000001, 4294967295, -1, 0.5, 1e-9, 33.3, true, false, null, [], {}, [[]], [{}]
])json";

std::vector<Json> MakeOddValues() {
  std::vector<Json> values = Json::parse(kOdd);
  for (const size_t size : {63, 64, 254, 1025, 4097}) {
    values.push_back(std::string(size, 'a'));
    values.push_back("/" + std::string(size - 1, '.'));
    values.push_back("/" + std::string(size - 1, 'a'));
  }
  return values;
}

const std::vector<Json>& OddValues() {
  static const std::vector<Json>& values = *new std::vector<Json>(MakeOddValues());
  return values;
}

std::vector<Json> MakeWhole() {
  std::vector<Json> documents = Json::parse(kWhole);
  for (Json& document : documents) {
    document["apiVersion"] = document["kind"].get<std::string>().ends_with("Route")
                                 ? "gateway.networking.k8s.io/v1"
                                 : "tulle.dev/v1alpha1";
    document["metadata"]["namespace"] = "default";
  }
  return documents;
}

bool IsLeaf(const Json& value) { return value.empty() || !value.is_structured(); }

void List(const Json& value, const Json::json_pointer& at, bool leaves_only,
          std::vector<Json::json_pointer>* out) {
  if (!leaves_only || IsLeaf(value)) out->push_back(at);
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) List(child, at / key, leaves_only, out);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) List(value[i], at / i, leaves_only, out);
  }
}

// Below spec, labels and annotations.
std::vector<Json::json_pointer> PlacesOf(const Json& document, bool leaves_only) {
  std::vector<Json::json_pointer> places;
  for (const char* text : {"/spec", "/metadata/labels", "/metadata/annotations"}) {
    const Json::json_pointer at(text);
    if (document.contains(at)) List(document[at], at, leaves_only, &places);
  }
  return places;
}

void Remove(const Json::json_pointer& at, Json* document) {
  Json& parent = (*document)[at.parent_pointer()];
  if (parent.is_object()) {
    parent.erase(at.back());
  } else {
    parent.erase(static_cast<size_t>(std::stoul(at.back())));
  }
}

}  // namespace

const std::vector<Json>& WholeDocuments() {
  static const std::vector<Json>& documents = *new std::vector<Json>(MakeWhole());
  return documents;
}

std::vector<Json> OddVersionsOf(const Json& whole) {
  std::vector<Json> versions;
  size_t count = 0;
  const auto add = [&](const Json::json_pointer& at, const Json& value) {
    if (count++ % kStride != 0) return;
    versions.push_back(whole);
    versions.back()[at] = value;
  };
  for (const Json::json_pointer& at : PlacesOf(whole, false)) {
    if (IsLeaf(whole[at])) {
      // One function reads all numbers: of texts it need not see each.
      for (const Json& odd : OddValues()) {
        if (!whole[at].is_number() || !odd.is_string()) add(at, odd);
      }
      continue;
    }
    for (const Json& nothing : {Json::array(), Json::object(), Json()}) add(at, nothing);
    if (!whole[at].is_array()) continue;
    Json list = whole[at];
    for (int more = 0; more < 2; ++more) {
      list.push_back(list[0]);
      add(at, list);
    }
  }
  return versions;
}

Json PolicyGenerator::Next() {
  Json document = WholeDocuments()[Below(WholeDocuments().size())];
  for (size_t changes = Below(4); changes > 0; --changes) Change(&document);
  return document;
}

void PolicyGenerator::Change(Json* document) {
  const Json::json_pointer spec("/spec");
  const std::vector<Json::json_pointer> all = PlacesOf(*document, false);
  const std::vector<Json::json_pointer> leaves = PlacesOf(*document, true);
  const auto any = [&](const auto& list) { return list[Below(list.size())]; };
  switch (Below(6)) {
    case 0: {  // an element twice, or three times
      const Json::json_pointer at = any(all);
      if (!(*document)[at.parent_pointer()].is_array()) return;
      const Json copy = (*document)[at];
      for (size_t more = 1 + Below(2); more > 0; --more) {
        (*document)[at.parent_pointer()].push_back(copy);
      }
      return;
    }
    case 1: {
      const Json::json_pointer at = any(all);
      if (at != spec) Remove(at, document);
      return;
    }
    case 2: {  // what another document says there
      const Json& donor = any(WholeDocuments());
      const Json::json_pointer at = any(leaves);
      if (donor.contains(at)) (*document)[at] = donor[at];
      return;
    }
    default:
      if (!leaves.empty()) (*document)[any(leaves)] = any(OddValues());
  }
}

}  // namespace tulle::policies
