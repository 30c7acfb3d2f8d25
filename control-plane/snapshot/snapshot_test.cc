#include "control-plane/snapshot/snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "control-plane/policy/parse.h"
#include "control-plane/snapshot/describe.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace listenerv3 = envoy::config::listener::v3;
namespace routev3 = envoy::config::route::v3;
namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;

using discovery::Mesh;
using discovery::Workload;
using OpenTelemetryLog =
    envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;

Workload MakeWorkload(const std::string& service, int index) {
  Workload workload;
  workload.id = service + "-" + std::to_string(index);
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + service;
  workload.address = "10." + std::to_string(index / 65536) + "." +
                     std::to_string(index / 256 % 256) + "." + std::to_string(index % 256);
  workload.services = {{"default", service}};
  workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
  workload.outbound.http_port = 15001;
  return workload;
}

Mesh MakeMesh(int services) {
  Mesh mesh;
  mesh.trust_bundle_pem = "bundle";
  for (int i = 0; i < services; ++i) {
    Workload workload = MakeWorkload("s" + std::to_string(i), i);
    mesh.workloads[workload.id] = std::move(workload);
  }
  return mesh;
}

void Apply(const std::string& yaml, Mesh* mesh) {
  const policy::ParsedFile parsed = policy::ParseDocuments(yaml, "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  for (const policy::Document& document : parsed.documents) mesh->policies.Upsert(document);
}

std::string TulleYaml(const std::string& kind, const std::string& spec) {
  return "apiVersion: tulle.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: x}\nspec: " + spec;
}

// Names whose version differs between the two, or that only one of them has.
std::set<std::string> Changed(const ResourceTable& before, const ResourceTable& after) {
  std::set<std::string> names;
  for (const auto& [name, resource] : before) {
    const auto other = after.find(name);
    if (other == after.end() || other->second->version != resource->version) names.insert(name);
  }
  for (const auto& [name, resource] : after) {
    if (!before.contains(name)) names.insert(name);
  }
  return names;
}

listenerv3::Listener ListenerOf(const Mesh& mesh, const std::string& node,
                                const std::string& name) {
  listenerv3::Listener listener;
  const Snapshot snapshot = BuildSnapshot(mesh, {node});
  EXPECT_TRUE(listener.ParseFromString(snapshot.listeners.at(name)->bytes));
  return listener;
}

std::set<std::string> ChainsOf(const listenerv3::Listener& listener) {
  std::set<std::string> names;
  for (const auto& chain : listener.filter_chains()) names.insert(chain.name());
  return names;
}

TEST(Snapshot, AChangeTouchesOnlyWhatItNamesAmong500Services) {
  Mesh mesh = MakeMesh(500);
  const Snapshot before = BuildSnapshot(mesh, {"s0-0"});
  EXPECT_EQ(before.endpoints.size(), 500);
  EXPECT_EQ(before.clusters.size(), 501);  // one of them inbound

  mesh.workloads.at("s7-7").health = discovery::Health::kUnhealthy;
  const Snapshot unhealthy = BuildSnapshot(mesh, {"s0-0"});
  EXPECT_EQ(Changed(before.endpoints, unhealthy.endpoints),
            std::set<std::string>{"outbound|80||s7.default.svc.cluster.local"});
  EXPECT_TRUE(Changed(before.clusters, unhealthy.clusters).empty());
  EXPECT_TRUE(Changed(before.routes, unhealthy.routes).empty());
  EXPECT_TRUE(Changed(before.listeners, unhealthy.listeners).empty());

  Apply(TulleYaml("ResiliencePolicy",
                  "{targetRef: {kind: Service, name: s9}, limits: {perClientMaxRequests: 3}}"),
        &mesh);
  const Snapshot limited = BuildSnapshot(mesh, {"s0-0"});
  EXPECT_EQ(Changed(unhealthy.clusters, limited.clusters),
            std::set<std::string>{"outbound|80||s9.default.svc.cluster.local"});
  EXPECT_TRUE(Changed(unhealthy.routes, limited.routes).empty());
}

// A sidecar with an HTTP listener of its own gets the routes of all services in one resource.
TEST(Snapshot, OutboundRoutesGrowByLessThan500BytesAServiceAndTunnelsBy130) {
  struct Sizes {
    size_t without_tunnels = 0;
    size_t tunnels = 0;
  };
  const auto sizes = [](int services) {
    const std::string bytes =
        BuildSnapshot(MakeMesh(services), {"s0-0"}).routes.at("outbound|http")->bytes;
    routev3::RouteConfiguration routes;
    EXPECT_TRUE(routes.ParseFromString(bytes));
    for (auto& host : *routes.mutable_virtual_hosts()) {
      auto* all = host.mutable_routes();
      all->erase(
          std::remove_if(all->begin(), all->end(),
                         [](const auto& route) { return route.match().has_connect_matcher(); }),
          all->end());
    }
    return Sizes{routes.ByteSizeLong(), bytes.size() - routes.ByteSizeLong()};
  };
  const Sizes few = sizes(100);
  const Sizes many = sizes(1000);
  EXPECT_LT((many.without_tunnels - few.without_tunnels) / 900, 500);
  EXPECT_LT((many.tunnels - few.tunnels) / 900, 130);
}

// Where a proxy reads its own certificate from a file, all else is what others get.
TEST(Snapshot, AProxyMayReadItsOwnCertificateFromAFile) {
  constexpr char kFile[] = "/etc/envoy/sds.json";
  const Mesh mesh = MakeMesh(2);
  Snapshot by_ads = BuildSnapshot(mesh, {"s0-0"});
  Snapshot by_file = BuildSnapshot(mesh, {"s0-0", false, kFile});
  EXPECT_TRUE(Changed(by_ads.endpoints, by_file.endpoints).empty());
  EXPECT_TRUE(Changed(by_ads.routes, by_file.routes).empty());
  EXPECT_TRUE(Changed(by_ads.secrets, by_file.secrets).empty());
  EXPECT_EQ(Changed(by_ads.listeners, by_file.listeners), std::set<std::string>{"inbound|15080"});
  clusterv3::Cluster cluster;
  cluster.ParseFromString(by_file.clusters.at("outbound|80||s1.default.svc.cluster.local")->bytes);
  tlsv3::UpstreamTlsContext tls;
  ASSERT_TRUE(cluster.transport_socket_matches(0).transport_socket().typed_config().UnpackTo(&tls));
  const auto& common = tls.common_tls_context();
  EXPECT_EQ(common.tls_certificate_sds_secret_configs(0).sds_config().path_config_source().path(),
            kFile);
  EXPECT_TRUE(common.combined_validation_context()
                  .validation_context_sds_secret_config()
                  .sds_config()
                  .has_ads())
      << "roots and revocations stay live";
}

TEST(Snapshot, ATunnelLeadsToEachPortOfTheMesh) {
  using envoy::config::route::v3::RouteConfiguration;
  Mesh mesh = MakeMesh(2);
  mesh.workloads.at("s1-1").inbound[0].protocol = policy::Protocol::kTcp;
  RouteConfiguration routes;
  routes.ParseFromString(BuildSnapshot(mesh, {"s0-0"}).routes.at("outbound|http")->bytes);
  size_t tunnels = 0;
  for (const auto& host : routes.virtual_hosts()) {
    size_t of_host = 0;
    for (const auto& route : host.routes()) {
      if (!route.match().has_connect_matcher()) continue;
      ++of_host;
      if (host.name() == "unknown_host") continue;
      EXPECT_EQ(route.route().cluster(),
                "outbound|80||" + host.name().substr(0, host.name().find(':')));
      EXPECT_TRUE(route.route().upgrade_configs(0).has_connect_config());
    }
    EXPECT_EQ(of_host, 1u) << host.name() << ": a tunnel, or a refusal that says why";
    tunnels += of_host;
  }
  EXPECT_EQ(tunnels, 3u);
}

TEST(Snapshot, TheFactoryGivesWhatBuildSnapshotGives) {
  const Mesh mesh = MakeMesh(20);
  SnapshotFactory factory(std::make_shared<const Mesh>(mesh));
  for (const std::string node : {"s0-0", "s3-3", "nobody"}) {
    const Snapshot whole = BuildSnapshot(mesh, {node});
    const Snapshot shared = factory.Build({node});
    for (const std::string_view type :
         {kClusterType, kEndpointType, kListenerType, kRouteType, kSecretType}) {
      EXPECT_TRUE(Changed(*whole.TableOf(type), *shared.TableOf(type)).empty()) << node << type;
    }
  }
  // Views of one mesh version share what they have in common.
  EXPECT_EQ(factory.Build({"s0-0"}).clusters.at("outbound|80||s1.default.svc.cluster.local"),
            factory.Build({"s3-3"}).clusters.at("outbound|80||s1.default.svc.cluster.local"));
}

TEST(Snapshot, UnknownDestinationsLeadNowhereWhereThatIsSaid) {
  Mesh mesh = MakeMesh(3);
  for (auto& [id, workload] : mesh.workloads) workload.interception.emplace();
  mesh.workloads.at("s1-1").services = {};
  const auto say = [&mesh](const std::string& name, const std::string& target,
                           const std::string& unknown) {
    Apply("apiVersion: tulle.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: " + name +
              "}\nspec: {targetRef: {" + target + "}, unknownDestinations: " + unknown + "}",
          &mesh);
  };
  // Bytes go nowhere, and HTTP has a chain of its own.
  const auto is_denied = [&](const std::string& node) {
    const auto listener = ListenerOf(mesh, node, "virtualOutbound");
    const std::string& bytes = listener.default_filter_chain().filters(0).typed_config().value();
    const bool is_black_hole = bytes.find("BlackHoleCluster") != std::string::npos;
    EXPECT_EQ(listener.filter_chains_size(), is_black_hole ? 1 : 0);
    return is_black_hole;
  };
  EXPECT_FALSE(is_denied("s0-0"));
  say("a", "kind: Service, name: s0", "DENY");
  EXPECT_TRUE(is_denied("s0-0"));
  EXPECT_FALSE(is_denied("s1-1"));
  say("b", "kind: Namespace", "DENY");
  EXPECT_TRUE(is_denied("s1-1"));  // though it is of no service
  // Who is several services may do what all of them may.
  say("c", "kind: Service, name: s2", "ALLOW");
  EXPECT_FALSE(is_denied("s2-2"));
  mesh.workloads.at("s2-2").services.push_back({"default", "s0"});
  EXPECT_TRUE(is_denied("s2-2"));
}

TEST(Snapshot, AStrangerGetsTheTrustBundleAlone) {
  const Snapshot snapshot = BuildSnapshot(MakeMesh(3), {"nobody"});
  EXPECT_EQ(snapshot.secrets.size(), 1);
  EXPECT_TRUE(snapshot.clusters.empty() && snapshot.listeners.empty() && snapshot.routes.empty());
  EXPECT_EQ(snapshot.TableOf("type.googleapis.com/other"), nullptr);
}

TEST(Snapshot, PlaintextChainsGoWhenStrict) {
  Mesh mesh = MakeMesh(2);
  EXPECT_EQ(ChainsOf(ListenerOf(mesh, "s0-0", "inbound|15080")),
            (std::set<std::string>{"mesh-http", "raw"}));
  Apply(TulleYaml("PeerAuthentication", "{targetRef: {kind: Service, name: s0}, mode: STRICT}"),
        &mesh);
  EXPECT_EQ(ChainsOf(ListenerOf(mesh, "s0-0", "inbound|15080")),
            std::set<std::string>{"mesh-http"});
  EXPECT_EQ(ChainsOf(ListenerOf(mesh, "s1-1", "inbound|15080")),
            (std::set<std::string>{"mesh-http", "raw"}));
}

// A pod that no Service selects is called by its address.
TEST(Snapshot, PoliciesOfTheMeshHoldForAWorkloadWithoutAService) {
  Mesh mesh = MakeMesh(1);
  mesh.workloads.at("s0-0").services.clear();
  const auto has_rules = [&] {
    const std::string bytes = ListenerOf(mesh, "s0-0", "inbound|15080").SerializeAsString();
    return bytes.find("rbac") != std::string::npos;
  };
  EXPECT_EQ(ChainsOf(ListenerOf(mesh, "s0-0", "inbound|15080")),
            (std::set<std::string>{"mesh-http", "raw"}));
  Apply(TulleYaml("PeerAuthentication", "{targetRef: {kind: Mesh}, mode: STRICT}"), &mesh);
  EXPECT_EQ(ChainsOf(ListenerOf(mesh, "s0-0", "inbound|15080")),
            std::set<std::string>{"mesh-http"});
  EXPECT_FALSE(has_rules());
  Apply(TulleYaml("AuthorizationPolicy",
                  "{targetRef: {kind: Namespace, name: default}, action: DENY, rules: [{}]}"),
        &mesh);
  EXPECT_TRUE(has_rules());
}

TEST(Snapshot, TheAccessLogIsOffUntilItHasAFile) {
  Mesh mesh = MakeMesh(2);
  const auto logs = [&] {
    int found = 0;
    for (const auto& [name, resource] : BuildSnapshot(mesh, {"s0-0"}).listeners) {
      const std::string text =
          DescribeAsJson("type.googleapis.com/envoy.config.listener.v3.Listener", *resource);
      if (text.find("\"path\":\"/dev/stdout\"") != std::string::npos &&
          text.find("%UPSTREAM_CLUSTER_RAW%") != std::string::npos) {
        ++found;
      }
    }
    return found;
  };
  EXPECT_EQ(logs(), 0);
  mesh.access_log_file = "/dev/stdout";
  EXPECT_EQ(logs(), static_cast<int>(BuildSnapshot(mesh, {"s0-0"}).listeners.size()));
}

// Of one listener: by collector, what is sent there.
std::vector<OpenTelemetryLog> CollectorLogsOf(const listenerv3::Listener& listener) {
  std::vector<OpenTelemetryLog> found;
  for (const auto& chain : listener.filter_chains()) {
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
    if (!chain.filters(0).typed_config().UnpackTo(&manager)) continue;
    OpenTelemetryLog log;
    for (const auto& each : manager.access_log()) {
      if (each.typed_config().UnpackTo(&log)) found.push_back(log);
    }
  }
  return found;
}

TEST(Snapshot, AnAccessLogGoesToItsCollectorInsteadOfAFile) {
  for (const auto& [log, cluster, uri] :
       {std::tuple("{format: istio, collector: 'logs.example:4317'}", "collector|logs.example:4317",
                   ""),
        std::tuple("{format: json, collector: '192.0.2.9:4318', protocol: otlp-http}",
                   "collector-http|192.0.2.9:4318", "http://192.0.2.9:4318/v1/logs"),
        std::tuple("{format: json, collector: '192.0.2.9:4318/x', protocol: otlp-http}",
                   "collector-http|192.0.2.9:4318", "http://192.0.2.9:4318/x")}) {
    Mesh mesh = MakeMesh(1);
    mesh.access_log_file = "/var/log/tulle.log";
    Apply(TulleYaml("TelemetryPolicy",
                    std::string("{targetRef: {kind: Mesh}, accessLog: ") + log + "}"),
          &mesh);
    const Snapshot snapshot = BuildSnapshot(mesh, {"s0-0"});
    EXPECT_TRUE(snapshot.clusters.contains(cluster)) << log;
    const listenerv3::Listener listener = ListenerOf(mesh, "s0-0", "inbound|15080");
    EXPECT_EQ(listener.SerializeAsString().find("/var/log/tulle.log"), std::string::npos);
    const std::vector<OpenTelemetryLog> logs = CollectorLogsOf(listener);
    ASSERT_FALSE(logs.empty()) << log;
    for (const OpenTelemetryLog& each : logs) {
      const bool is_json = *uri != '\0';
      EXPECT_EQ(each.http_service().http_uri().uri(), uri);
      EXPECT_EQ(is_json ? each.http_service().http_uri().cluster()
                        : each.grpc_service().envoy_grpc().cluster_name(),
                cluster);
      EXPECT_EQ(each.has_body(), !is_json);
      EXPECT_FALSE(each.body().string_value().ends_with('\n'));
      EXPECT_EQ(each.attributes().values_size() > 20, is_json);
      EXPECT_EQ(each.attributes().SerializeAsString().find("(tulle:cause)%") != std::string::npos,
                is_json);
    }
  }
}

// What a policy's tracing tells sidecars about failures that are not sampled.
TEST(Snapshot, FailuresAreReportedUnlessSamplingIsZeroOrThePolicySaysSo) {
  for (const auto& [tracing, reported] :
       {std::pair("{}", true), std::pair("{sampling: 0.1}", true),
        std::pair("{sampling: 0}", false), std::pair("{sampling: 0, alwaysOnError: true}", true),
        std::pair("{sampling: 0, alwaysOnError: false}", false),
        std::pair("{alwaysOnError: false}", false), std::pair("{alwaysOnError: true}", true)}) {
    Mesh mesh = MakeMesh(1);
    Apply(TulleYaml("TelemetryPolicy",
                    std::string("{targetRef: {kind: Mesh}, tracing: ") + tracing + "}"),
          &mesh);
    int found = 0;
    const listenerv3::Listener listener = ListenerOf(mesh, "s0-0", "inbound|15080");
    for (const auto& chain : listener.filter_chains()) {
      const auto& all = chain.metadata().filter_metadata();
      if (!all.contains("tulle") || !all.at("tulle").fields().contains("tracing")) continue;
      const auto& own = all.at("tulle").fields().at("tracing").struct_value().fields();
      ASSERT_TRUE(own.contains("always_on_error"));
      EXPECT_EQ(own.at("always_on_error").bool_value(), reported) << tracing;
      ++found;
    }
    EXPECT_GT(found, 0) << tracing;
  }
}

TEST(Snapshot, AMeshedClusterNeverAcceptsJustAnyIdentity) {
  Mesh mesh = MakeMesh(1);
  mesh.workloads.at("s0-0").outbound.tcp = {{{"default", "absent"}, 5432, 15432}};
  const Snapshot snapshot = BuildSnapshot(mesh, {"s0-0"});
  for (const auto& [name, resource] : snapshot.clusters) {
    clusterv3::Cluster cluster;
    ASSERT_TRUE(cluster.ParseFromString(resource->bytes));
    if (cluster.type() != clusterv3::Cluster::EDS) continue;
    tlsv3::UpstreamTlsContext tls;
    ASSERT_EQ(cluster.transport_socket_matches_size(), 2) << name;
    ASSERT_TRUE(
        cluster.transport_socket_matches(0).transport_socket().typed_config().UnpackTo(&tls));
    const auto& validation =
        tls.common_tls_context().combined_validation_context().default_validation_context();
    ASSERT_EQ(validation.match_typed_subject_alt_names_size(), 1) << name;
    EXPECT_TRUE(
        validation.match_typed_subject_alt_names(0).matcher().exact().starts_with("spiffe://"));
  }
}

TEST(Snapshot, NoDomainStandsTwiceAndEveryShortFormIsThere) {
  Mesh mesh = MakeMesh(2);
  Workload& other = mesh.workloads.at("s1-1");
  other.services.push_back({"shop", "s0"});  // the same short name in another namespace
  other.inbound.push_back({15081, 8081, 8081, policy::Protocol::kHttp});
  const Snapshot snapshot = BuildSnapshot(mesh, {"s0-0"});
  routev3::RouteConfiguration routes;
  ASSERT_TRUE(routes.ParseFromString(snapshot.routes.at("outbound|http")->bytes));
  std::map<std::string, std::string> owner;
  for (const auto& host : routes.virtual_hosts()) {
    for (const std::string& domain : host.domains()) {
      EXPECT_TRUE(owner.emplace(domain, host.name()).second) << domain;
    }
  }
  for (const char* name :
       {"s0", "s0:80", "s0.default", "s0.default:80", "s0.default.svc", "s0.default.svc:80",
        "s0.default.svc.cluster.local", "s0.default.svc.cluster.local:80"}) {
    EXPECT_EQ(owner[name], "s0.default.svc.cluster.local:80") << name;
  }
  EXPECT_EQ(owner["s1:8081"], "s1.default.svc.cluster.local:8081");
  EXPECT_EQ(owner["s1"], "s1.default.svc.cluster.local:80");
  EXPECT_EQ(owner["s0.shop"], "s0.shop.svc.cluster.local:80");
}

TEST(Snapshot, EveryRouteNamesAClusterThatIsThere) {
  Mesh mesh = MakeMesh(2);
  Apply(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n"
      "spec: {parentRefs: [{kind: Service, name: s0}], rules: [{backendRefs: [{name: v1, port: "
      "80}, "
      "{name: v2, port: 81}]}]}\n",
      &mesh);
  const Snapshot snapshot = BuildSnapshot(mesh, {"s0-0"});
  routev3::RouteConfiguration routes;
  ASSERT_TRUE(routes.ParseFromString(snapshot.routes.at("outbound|http")->bytes));
  int named = 0;
  for (const auto& host : routes.virtual_hosts()) {
    for (const auto& route : host.routes()) {
      for (const auto& cluster : route.route().weighted_clusters().clusters()) {
        EXPECT_TRUE(snapshot.clusters.contains(cluster.name())) << cluster.name();
        ++named;
      }
      if (!route.route().cluster().empty()) {
        EXPECT_TRUE(snapshot.clusters.contains(route.route().cluster()));
      }
    }
  }
  EXPECT_EQ(named, 2);
}

TEST(Snapshot, AnAllowPolicyWithoutRulesForThePortLetsNobodyIn) {
  Mesh mesh = MakeMesh(1);
  Apply(TulleYaml(
            "AuthorizationPolicy",
            "{targetRef: {kind: Service, name: s0}, action: ALLOW, rules: [{to: {ports: [9]}}]}"),
        &mesh);
  const listenerv3::Listener listener = ListenerOf(mesh, "s0-0", "inbound|15080");
  for (const auto& chain : listener.filter_chains()) {
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
    ASSERT_TRUE(chain.filters(0).typed_config().UnpackTo(&manager));
    EXPECT_EQ(manager.http_filters_size(), 2) << chain.name();
    EXPECT_EQ(manager.http_filters(0).name(), "envoy.filters.http.rbac");
  }
}

// What one ResiliencePolicy of `spec` makes of the service it is for.
struct Said {
  clusterv3::Cluster cluster;
  routev3::RouteAction action;
};

Said Say(const std::string& spec) {
  Mesh mesh = MakeMesh(2);
  Apply(TulleYaml("ResiliencePolicy", "\n  targetRef: {kind: Service, name: s0}\n" + spec), &mesh);
  const Snapshot built = BuildSnapshot(mesh, {"s1-1"});
  Said said;
  const std::string cluster = "outbound|80||s0.default.svc.cluster.local";
  said.cluster.ParseFromString(built.TableOf(kClusterType)->at(cluster)->bytes);
  routev3::RouteConfiguration routes;
  routes.ParseFromString(built.TableOf(kRouteType)->begin()->second->bytes);
  for (const auto& host : routes.virtual_hosts()) {
    if (host.routes(0).route().cluster() == cluster) said.action = host.routes(0).route();
  }
  return said;
}

// Each pattern is one policy.
TEST(Patterns, CircuitBreakerOpensAfterFiveFailuresFor60Seconds) {
  const auto outlier = Say("  breaker: {consecutiveFailures: 5, on: all5xx, openFor: 60s}\n")
                           .cluster.outlier_detection();
  EXPECT_EQ(outlier.consecutive_5xx().value(), 5u);
  EXPECT_EQ(outlier.enforcing_consecutive_5xx().value(), 100u);
  EXPECT_EQ(outlier.base_ejection_time().seconds(), 60);
  EXPECT_EQ(outlier.max_ejection_time().seconds(), 60);
  EXPECT_EQ(outlier.max_ejection_time_jitter().seconds(), 0);
  EXPECT_EQ(outlier.max_ejection_percent().value(), 100u);
}

// Whatever the application answers, and however often it resets streams.
TEST(Patterns, WithoutABreakerPolicyOnlyUnreachableEndpointsAreLeftOut) {
  for (const char* policy :
       {"  timeouts: {request: 2s}\n", "  breaker: {panicBelowPercent: 30}\n"}) {
    const auto outlier = Say(policy).cluster.outlier_detection();
    EXPECT_TRUE(outlier.split_external_local_origin_errors());
    EXPECT_EQ(outlier.enforcing_consecutive_5xx().value(), 0u);
    EXPECT_EQ(outlier.enforcing_consecutive_gateway_failure().value(), 0u);
    EXPECT_EQ(outlier.consecutive_local_origin_failure().value(), 5u);
    EXPECT_EQ(outlier.enforcing_consecutive_local_origin_failure().value(), 100u);
    EXPECT_EQ(outlier.max_ejection_percent().value(), 50u);
  }
}

TEST(Patterns, ABreakerPolicyCountsAnswers) {
  for (const char* policy : {"consecutiveFailures: 5", "openFor: 60s", "on: gatewayErrors",
                             "maxOpenFor: 90s", "maxOpenPercent: 100"}) {
    const auto outlier =
        Say(std::string("  breaker: {") + policy + "}\n").cluster.outlier_detection();
    EXPECT_FALSE(outlier.split_external_local_origin_errors()) << policy;
    EXPECT_EQ(outlier.consecutive_gateway_failure().value(), 5u) << policy;
    EXPECT_EQ(outlier.enforcing_consecutive_gateway_failure().value(), 100u) << policy;
    EXPECT_EQ(outlier.max_ejection_percent().value(), 100u) << policy;
  }
}

TEST(Patterns, RetriesAreThreeAttemptsWithDoublingBackOff) {
  const auto retry =
      Say("  retries: {attempts: 2, on: [5xx, reset], backoff: {base: 100ms, max: 2s}}\n")
          .action.retry_policy();
  EXPECT_EQ(retry.num_retries().value(), 2u);
  EXPECT_EQ(retry.retry_on(), "5xx,reset");
  EXPECT_EQ(retry.retry_back_off().base_interval().nanos(), 100000000);
  EXPECT_EQ(retry.retry_back_off().max_interval().seconds(), 2);
}

TEST(Patterns, TimeoutsAreTwoSeconds) {
  const Said said = Say("  timeouts: {connect: 2s, request: 2s}\n");
  EXPECT_EQ(said.cluster.connect_timeout().seconds(), 2);
  EXPECT_EQ(said.action.timeout().seconds(), 2);
}

TEST(Patterns, BulkheadIsFiftySocketsTenIdleForSixtySeconds) {
  const clusterv3::Cluster cluster =
      Say("  limits: {perClientMaxConnections: 50}\n"
          "  pools: {perClientMaxIdleConnections: 10, idleTimeout: 60s}\n")
          .cluster;
  EXPECT_EQ(cluster.circuit_breakers().thresholds(0).max_connections().value(), 50u);
  EXPECT_EQ(cluster.metadata()
                .filter_metadata()
                .at("tulle")
                .fields()
                .at("max_idle_connections")
                .number_value(),
            10);
  envoy::extensions::upstreams::http::v3::HttpProtocolOptions options;
  cluster.typed_extension_protocol_options().begin()->second.UnpackTo(&options);
  EXPECT_EQ(options.common_http_protocol_options().idle_timeout().seconds(), 60);
}

TEST(Patterns, ConsistentHashKeepsItsRetriesAtTheEndpoint) {
  const Said said = Say("  loadBalancing: consistentHash\n  hashOn: {header: x-user}\n");
  EXPECT_EQ(said.cluster.lb_policy(), clusterv3::Cluster::RING_HASH);
  ASSERT_EQ(said.action.hash_policy_size(), 1);
  EXPECT_EQ(said.action.hash_policy(0).header().header_name(), "x-user");
  EXPECT_EQ(said.action.retry_policy().retry_host_predicate_size(), 0);
  EXPECT_EQ(Say("  loadBalancing: roundRobin\n").action.retry_policy().retry_host_predicate_size(),
            1);
}

TEST(Describe, EveryResourceIsReadableAndNoKeyIsShown) {
  const Snapshot snapshot = BuildSnapshot(MakeMesh(2), {"s0-0"});
  for (const char* word : {"listeners", "routes", "clusters", "endpoints", "secrets"}) {
    const std::string_view type = TypeUrlOf(word);
    for (const auto& [name, resource] : *snapshot.TableOf(type)) {
      EXPECT_NE(DescribeAsJson(type, *resource).find(name), std::string::npos);
    }
  }
  tlsv3::Secret secret;
  secret.set_name("own");
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("THE-KEY");
  Resource resource;
  resource.bytes = secret.SerializeAsString();
  const std::string shown = DescribeAsJson(kSecretType, resource);
  EXPECT_EQ(shown.find("THE-KEY"), std::string::npos);
  EXPECT_NE(shown.find("[redacted]"), std::string::npos);
}

}  // namespace
}  // namespace tulle::snapshot
