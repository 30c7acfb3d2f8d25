// What single fields of policies become, and what no policy may do.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "control-plane/policy/parse.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace tulle::snapshot {
namespace {

namespace endpointv3 = envoy::config::endpoint::v3;
namespace listenerv3 = envoy::config::listener::v3;
namespace routev3 = envoy::config::route::v3;
using discovery::Mesh;
using discovery::Workload;
using policy::Protocol;

constexpr char kPost[] = "outbound|80||post.default.svc.cluster.local";

// post is HTTP with explicit listeners; redis and what is not declared belong to a transparent one.
Mesh MakeMesh() {
  Mesh mesh;
  Workload post;
  post.id = "post-1";
  post.address = "192.0.2.1";
  post.services = {{"default", "post"}, {"default", "cart"}};
  post.inbound = {{15080, 8080, 80, Protocol::kHttp}};
  post.outbound.http_port = 15001;
  Workload redis;
  redis.id = "redis-1";
  redis.address = "192.0.2.2";
  redis.services = {{"default", "redis"}};
  redis.inbound = {{6379, 6379, 6379, Protocol::kTcp}, {8080, 8080, 8080, Protocol::kAuto}};
  redis.interception.emplace();
  mesh.workloads = {{post.id, post}, {redis.id, redis}};
  mesh.vips = {{"redis.default.svc.cluster.local", "240.240.0.1"}};
  return mesh;
}

void Apply(const std::string& yaml, Mesh* mesh) {
  const policy::ParsedFile parsed = policy::ParseDocuments(yaml, "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  for (const policy::Document& document : parsed.documents) mesh->policies.Upsert(document);
}

std::string Resilience(const std::string& service, const std::string& spec) {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: ResiliencePolicy\nmetadata: {name: " +
         service + "}\nspec: {targetRef: {kind: Service, name: " + service + "}, " + spec + "}\n";
}

std::string Route(const std::string& service, const std::string& more) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " +
         service + "}\nspec: {parentRefs: [{kind: Service, name: " + service + "}], " + more +
         "}\n";
}

template <typename Message>
Message Read(const ResourceTable& table, const std::string& name) {
  Message message;
  const auto found = table.find(name);
  EXPECT_TRUE(found != table.end() && message.ParseFromString(found->second->bytes)) << name;
  return message;
}

routev3::RouteConfiguration RoutesOf(const Mesh& mesh) {
  return Read<routev3::RouteConfiguration>(BuildSnapshot(mesh, {"post-1"}).routes, "outbound|http");
}

// The virtual host that answers for the domain; empty: none.
std::string OwnerOf(const routev3::RouteConfiguration& routes, const std::string& domain) {
  for (const auto& host : routes.virtual_hosts()) {
    for (const std::string& each : host.domains()) {
      if (each == domain) return host.name();
    }
  }
  return "";
}

routev3::Route FirstRouteOf(const Mesh& mesh, const std::string& host_name) {
  const routev3::RouteConfiguration routes = RoutesOf(mesh);
  for (const auto& host : routes.virtual_hosts()) {
    if (host.name() == host_name) return host.routes(0);
  }
  return {};
}

TEST(Policies, RoutesOfOneServiceAreMergedWithTheirHostNames) {
  Mesh mesh = MakeMesh();
  const auto add = [&mesh](const std::string& name, int64_t created_at, const std::string& spec) {
    const policy::ParsedFile parsed = policy::ParseDocuments(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + name +
            "}\nspec: {parentRefs: [{kind: Service, name: post}], " + spec + "}",
        "f");
    ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
    policy::Document document = parsed.documents[0];
    document.created_at = created_at;
    mesh.policies.Upsert(std::move(document));
  };
  add("newer", 20, "hostnames: [b.example], rules: [{backendRefs: [{name: cart, port: 80}]}]");
  add("older", 10,
      "hostnames: [a.example], rules: [{backendRefs: [{name: user, port: 80}]}, {matches: "
      "[{path: {value: /a}}], backendRefs: [{name: post, port: 80}]}]");
  const routev3::RouteConfiguration routes = RoutesOf(mesh);
  const std::string host_name = "post.default.svc.cluster.local:80";
  EXPECT_EQ(OwnerOf(routes, "a.example"), host_name);
  EXPECT_EQ(OwnerOf(routes, "b.example"), host_name);
  for (const auto& host : routes.virtual_hosts()) {
    if (host.name() != host_name) continue;
    std::vector<std::string> names;
    for (const auto& route : host.routes()) names.push_back(route.name());
    EXPECT_EQ(names.back(), "tunnel");
    names.pop_back();
    EXPECT_EQ(names, (std::vector<std::string>{"default/older[1][0]", "default/older[0][0]",
                                               "default/newer[0][0]"}));
  }
}

// The routes of the Service's virtual host when the backends with these names are invalid.
std::vector<routev3::Route> RoutesWithInvalid(const std::string& backends,
                                              const std::set<std::string>& invalid) {
  Mesh mesh = MakeMesh();
  policy::ParsedFile parsed =
      policy::ParseDocuments(Route("post", "rules: [{backendRefs: [" + backends + "]}]"), "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems);
  for (auto& rule : std::get<policy::HttpRoute>(parsed.documents.at(0).spec).rules) {
    for (policy::BackendRef& backend : rule.backends) {
      if (invalid.contains(backend.service.name))
        backend.invalid = "Service default/" + backend.service.name + " not found";
    }
  }
  mesh.policies.Upsert(parsed.documents[0]);
  EXPECT_FALSE(BuildSnapshot(mesh, {"post-1"})
                   .clusters.contains("outbound|80||pots.default.svc.cluster.local"));
  const routev3::RouteConfiguration configuration = RoutesOf(mesh);
  for (const auto& host : configuration.virtual_hosts()) {
    if (host.name() != "post.default.svc.cluster.local:80") continue;
    EXPECT_EQ(host.routes().rbegin()->name(), "tunnel");
    return {host.routes().begin(), host.routes().end() - 1};
  }
  return {};
}

TEST(Policies, TheShareOfAnInvalidBackendIsAnsweredWith500AndTheReason) {
  const auto routes = RoutesWithInvalid(
      "{name: post, port: 80, weight: 1}, {name: pots, port: 80, weight: 3}", {"pots"});
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].name(), "default/post[0][0]/invalid-backend");
  EXPECT_EQ(routes[0].direct_response().status(), 500u);
  EXPECT_EQ(routes[0].direct_response().body().inline_string(),
            "invalid backend: Service default/pots not found\n");
  const auto& own = routes[0].metadata().filter_metadata().at("tulle").fields();
  EXPECT_EQ(own.at("cause").string_value(), "backend_invalid");
  EXPECT_EQ(own.at("owners").struct_value().fields().at("backend_invalid").string_value(),
            "HTTPRoute default/post spec.rules[0].backendRefs");
  const auto& share = routes[0].match().runtime_fraction().default_value();
  EXPECT_EQ(share.numerator(), 750000u);
  EXPECT_EQ(share.denominator(), envoy::type::v3::FractionalPercent::MILLION);
  EXPECT_EQ(routes[1].route().cluster(), "outbound|80||post.default.svc.cluster.local");
  EXPECT_FALSE(routes[1].match().has_runtime_fraction());
}

TEST(Policies, WhereAllBackendsAreInvalidEveryRequestIsAnsweredWith500) {
  const auto routes =
      RoutesWithInvalid("{name: pots, port: 80}, {name: post, port: 80, weight: 0}", {"pots"});
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].direct_response().status(), 500u);
  EXPECT_EQ(routes[0].direct_response().body().inline_string(),
            "invalid backend: Service default/pots not found\n");
}

TEST(Policies, AnInvalidBackendWithoutWeightChangesNothing) {
  const auto routes =
      RoutesWithInvalid("{name: post, port: 80}, {name: pots, port: 80, weight: 0}", {"pots"});
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].route().cluster(), "outbound|80||post.default.svc.cluster.local");
}

TEST(Policies, FiltersOfABackendChangeTheHeadersOfItsRequestsAlone) {
  const std::string filters =
      "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: "
      "b}], remove: [c]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: d, "
      "value: e}]}}]";
  for (const std::string other : {"", ", {name: cart, port: 80}"}) {
    Mesh mesh = MakeMesh();
    Apply(Route("post",
                "rules: [{backendRefs: [{name: post, port: 80, " + filters + "}" + other + "]}]"),
          &mesh);
    const routev3::Route route = FirstRouteOf(mesh, "post.default.svc.cluster.local:80");
    const auto& clusters = route.route().weighted_clusters().clusters();
    ASSERT_EQ(clusters.size(), other.empty() ? 1 : 2);
    EXPECT_EQ(clusters[0].name(), "outbound|80||post.default.svc.cluster.local");
    EXPECT_EQ(clusters[0].weight().value(), 1u);
    EXPECT_EQ(clusters[0].request_headers_to_add(0).header().key(), "a");
    EXPECT_EQ(clusters[0].request_headers_to_remove(0), "c");
    EXPECT_EQ(clusters[0].response_headers_to_add(0).header().value(), "e");
    EXPECT_EQ(route.request_headers_to_add_size(), 0);
    EXPECT_EQ(clusters[clusters.size() - 1].request_headers_to_add_size(), other.empty() ? 1 : 0);
  }
}

TEST(Policies, AGrpcRouteMatchesPathsOfServicesAndMethods) {
  Mesh mesh = MakeMesh();
  Apply(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: g}\nspec: "
      "{parentRefs: [{kind: Service, name: post}], rules: [{matches: [{method: {service: a.B, "
      "method: C}}, {method: {service: a.B}}, {method: {method: C}}, {method: {type: "
      "RegularExpression, service: 'a.*'}}], backendRefs: [{name: cart, port: 80}]}, {}]}",
      &mesh);
  const routev3::RouteConfiguration routes = RoutesOf(mesh);
  for (const auto& host : routes.virtual_hosts()) {
    if (host.name() != "post.default.svc.cluster.local:80") continue;
    ASSERT_EQ(host.routes_size(), 6) << "the last one is the tunnel";
    EXPECT_EQ(host.routes(0).match().path(), "/a.B/C");
    EXPECT_EQ(host.routes(0).name(), "default/g[0][0]");
    EXPECT_TRUE(host.routes(0).route().max_stream_duration().has_grpc_timeout_header_max());
    EXPECT_EQ(host.routes(1).match().prefix(), "/a.B/");
    EXPECT_EQ(host.routes(2).match().safe_regex().regex(), "/[^/]+/C");
    EXPECT_EQ(host.routes(3).match().safe_regex().regex(), "/(?:a.*)/[^/]+");
    EXPECT_EQ(host.routes(4).match().prefix(), "/");
    EXPECT_EQ(host.routes(4).direct_response().status(), 503u) << "UNAVAILABLE";
  }
}

TEST(Policies, AMirrorGetsItsFractionInMillionths) {
  Mesh mesh = MakeMesh();
  Apply(Route("post",
              "rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: cart, "
              "port: 80}, fraction: {numerator: 1, denominator: 1000}}}, {type: RequestMirror, "
              "requestMirror: {backendRef: {name: cart, port: 80}}}], backendRefs: [{name: post, "
              "port: 80}]}]"),
        &mesh);
  const routev3::Route route = FirstRouteOf(mesh, "post.default.svc.cluster.local:80");
  const auto share = [&](int i) {
    return route.route().request_mirror_policies(i).runtime_fraction().default_value();
  };
  EXPECT_EQ(share(0).numerator(), 1000u);
  EXPECT_EQ(share(0).denominator(), envoy::type::v3::FractionalPercent::MILLION);
  EXPECT_EQ(share(1).numerator(), 100u);
}

TEST(Policies, HeaderValuesAreNoFormats) {
  Mesh mesh = MakeMesh();
  Apply(Route("post",
              "rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: "
              "[{name: a, value: '50%'}, {name: b, value: ''}]}}], backendRefs: [{name: post, "
              "port: 80}]}]"),
        &mesh);
  const routev3::Route route = FirstRouteOf(mesh, "post.default.svc.cluster.local:80");
  ASSERT_EQ(route.request_headers_to_add_size(), 2);
  EXPECT_EQ(route.request_headers_to_add(0).header().value(), "50%%");
  EXPECT_TRUE(route.request_headers_to_add(1).keep_empty_value()) << "else nothing is set";
}

TEST(Policies, AFullPathIsNoSubstitution) {
  Mesh mesh = MakeMesh();
  Apply(Route("post",
              "rules: [{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, "
              "replaceFullPath: '/a\\1b'}}}], backendRefs: [{name: post, port: 80}]}]"),
        &mesh);
  EXPECT_EQ(FirstRouteOf(mesh, "post.default.svc.cluster.local:80")
                .route()
                .regex_rewrite()
                .substitution(),
            "/a\\\\1b");
}

// As no parser would take it.
void AddExternal(const std::string& name, const std::vector<std::string>& hosts, uint32_t port,
                 Mesh* mesh) {
  policy::ExternalService external;
  external.hosts = hosts;
  external.ports = {{port, Protocol::kHttp}};
  external.endpoints = {"198.51.100.66"};
  mesh->policies.Upsert({{policy::Kind::kExternalService, "default", name}, {}, {}, external});
}

TEST(Policies, AnExternalServiceNeverTakesAService) {
  const Mesh plain = MakeMesh();
  const Snapshot before = BuildSnapshot(plain, {"post-1"});
  for (const char* host :
       {"post.default.svc.cluster.local", "POST.default.svc.cluster.LOCAL.", "cluster.local"}) {
    Mesh mesh = plain;
    AddExternal("a", {host}, 80, &mesh);
    AddExternal("b", {"outside.example", host}, 443, &mesh);
    const Snapshot after = BuildSnapshot(mesh, {"post-1"});
    EXPECT_EQ(after.clusters.size(), before.clusters.size()) << host;
    EXPECT_EQ(after.endpoints.size(), before.endpoints.size()) << host;
    EXPECT_EQ(after.clusters.at(kPost)->bytes, before.clusters.at(kPost)->bytes) << host;
    EXPECT_EQ(after.endpoints.at(kPost)->bytes, before.endpoints.at(kPost)->bytes) << host;
    EXPECT_EQ(after.routes.at("outbound|http")->bytes, before.routes.at("outbound|http")->bytes);
  }
}

TEST(Policies, TheShortNamesOfAServiceAreItsOwn) {
  Mesh mesh = MakeMesh();
  AddExternal("a", {"outside.example", "post", "post.default"}, 443, &mesh);
  Apply(Route("cart",
              "hostnames: [post, cart.example], rules: [{backendRefs: [{name: cart, port: "
              "80}]}]"),
        &mesh);
  const routev3::RouteConfiguration routes = RoutesOf(mesh);
  EXPECT_EQ(OwnerOf(routes, "outside.example:443"), "outside.example:443");
  EXPECT_EQ(OwnerOf(routes, "post:443"), "");
  EXPECT_EQ(OwnerOf(routes, "post.default:443"), "");
  EXPECT_EQ(OwnerOf(routes, "post"), "post.default.svc.cluster.local:80");
  EXPECT_EQ(OwnerOf(routes, "cart.example"), "cart.default.svc.cluster.local:80");
}

TEST(Policies, RedirectedBytesAreKeptToAnEndpointByTheirSource) {
  const auto hashes = [](const Mesh& mesh, const std::string& name, bool by_default) {
    const auto listener =
        Read<listenerv3::Listener>(BuildSnapshot(mesh, {"redis-1"}).listeners, name);
    const auto& chain = by_default ? listener.default_filter_chain() : listener.filter_chains(0);
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
    EXPECT_TRUE(chain.filters(0).typed_config().UnpackTo(&proxy)) << name;
    return proxy.hash_policy_size();
  };
  Mesh mesh = MakeMesh();
  EXPECT_EQ(hashes(mesh, "240.240.0.1_6379", false), 0);
  Apply(Resilience("redis", "loadBalancing: consistentHash, hashOn: {sourceIp: true}"), &mesh);
  EXPECT_EQ(hashes(mesh, "240.240.0.1_6379", false), 1);
  EXPECT_EQ(hashes(mesh, "240.240.0.1_8080", true), 1) << "of a port that is not declared";
}

TEST(Policies, OfSeveralServicesTheFirstThatSaysItDecidesFieldByField) {
  Mesh mesh = MakeMesh();
  mesh.workloads.at("post-1").services.push_back({"default", "user"});
  Apply(Resilience("post", "timeouts: {request: 1s}") +
            Resilience("cart", "rateLimit: {requests: 7, key: route}") +
            Resilience("user", "rateLimit: {requests: 9}, fault: {abort: {status: 503}}") +
            Route("cart",
                  "rules: [{matches: [{path: {value: /a}}], backendRefs: [{name: cart, "
                  "port: 80}]}]"),
        &mesh);
  const auto listener =
      Read<listenerv3::Listener>(BuildSnapshot(mesh, {"post-1"}).listeners, "inbound|15080");
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  ASSERT_TRUE(listener.filter_chains(0).filters(0).typed_config().UnpackTo(&manager));
  ASSERT_EQ(manager.http_filters_size(), 3);
  EXPECT_EQ(manager.http_filters(0).name(), "envoy.filters.http.local_ratelimit");
  EXPECT_EQ(manager.http_filters(1).name(), "envoy.filters.http.fault");
  const auto& host = manager.route_config().virtual_hosts(0);
  ASSERT_EQ(host.routes_size(), 2) << "one for the route of the service that says the limit";
  EXPECT_EQ(host.routes(0).name(), "default/cart[0][0]");
}

// "cause: owner", in order.
std::vector<std::string> OwnersIn(const envoy::config::core::v3::Metadata& metadata) {
  std::map<std::string, std::string> sorted;
  const auto own = metadata.filter_metadata().find("tulle");
  if (own == metadata.filter_metadata().end()) return {};
  for (const auto& [cause, owner] : own->second.fields().at("owners").struct_value().fields())
    sorted[cause] = owner.string_value();
  std::vector<std::string> texts;
  for (const auto& [cause, owner] : sorted) texts.push_back(cause + ": " + owner);
  return texts;
}

TEST(Policies, TheFieldThatDecidesIsNamed) {
  using Texts = std::vector<std::string>;
  Mesh mesh = MakeMesh();
  const auto cluster = [&] {
    return Read<envoy::config::cluster::v3::Cluster>(BuildSnapshot(mesh, {"post-1"}).clusters,
                                                     kPost);
  };
  const std::string by = "ResiliencePolicy default/post spec.";
  EXPECT_FALSE(cluster().has_metadata()) << "defaults have no owner";
  Apply(Resilience("post",
                   "timeouts: {request: 5s, perTry: 1s, connect: 1s, idle: 9s}, "
                   "retries: {attempts: 1}, limits: {perClientMaxRequests: 7}, "
                   "breaker: {consecutiveFailures: 2}, healthCheck: {path: /ok}"),
        &mesh);
  EXPECT_EQ(OwnersIn(cluster().metadata()),
            (Texts{"breaker_open: " + by + "breaker", "connect_timeout: " + by + "timeouts.connect",
                   "no_healthy_endpoint: " + by + "healthCheck", "overflow: " + by + "limits"}));
  const auto owners_of_post = [&] {
    const routev3::RouteConfiguration routes = RoutesOf(mesh);
    for (const auto& host : routes.virtual_hosts()) {
      for (const auto& each : host.routes()) {
        const bool is_post = each.has_route() && (each.route().cluster() == kPost);
        if (is_post) return OwnersIn(each.metadata());
      }
    }
    return Texts{"no route"};
  };
  EXPECT_EQ(owners_of_post(), (Texts{"per_try_timeout: " + by + "timeouts.perTry",
                                     "request_timeout: " + by + "timeouts.request",
                                     "retries: " + by + "retries.attempts",
                                     "stream_idle_timeout: " + by + "timeouts.idle"}));
  // The route's own word wins, and without retries the limit of a try bounds the whole.
  Apply(Route("post",
              "rules: [{backendRefs: [{name: post, port: 80}], "
              "timeouts: {request: 4s, backendRequest: 2s}, retry: {attempts: 0}}]"),
        &mesh);
  const std::string rule = "HTTPRoute default/post spec.rules[0].";
  EXPECT_EQ(owners_of_post(), (Texts{"request_timeout: " + rule + "timeouts.backendRequest",
                                     "retries: " + rule + "retry.attempts",
                                     "stream_idle_timeout: " + by + "timeouts.idle"}));
}

TEST(Policies, AnInboundRouteNamesItsRateLimitAndFault) {
  Mesh mesh = MakeMesh();
  Apply(Resilience("cart", "rateLimit: {requests: 7}") +
            Resilience("post", "fault: {abort: {status: 503}}"),
        &mesh);
  const auto listener =
      Read<listenerv3::Listener>(BuildSnapshot(mesh, {"post-1"}).listeners, "inbound|15080");
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  const auto& chain = listener.filter_chains(0);
  ASSERT_TRUE(chain.filters(chain.filters_size() - 1).typed_config().UnpackTo(&manager));
  const auto& route = manager.route_config().virtual_hosts(0).routes(0);
  EXPECT_EQ(
      OwnersIn(route.metadata()),
      (std::vector<std::string>{"fault_injected: ResiliencePolicy default/post spec.fault",
                                "rate_limited: ResiliencePolicy default/cart spec.rateLimit"}));
}

}  // namespace
}  // namespace tulle::snapshot
