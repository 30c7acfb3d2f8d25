#include "control-plane/snapshot/older_sidecars.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "control-plane/policy/parse.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/config/trace/v3/zipkin.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::snapshot {
namespace {

envoy::config::core::v3::Node Sidecar() {
  envoy::config::core::v3::Node node;
  node.set_user_agent_name("tulle");
  return node;
}

// It names all features but that one.
envoy::config::core::v3::Node SidecarWithout(std::string_view lacking) {
  envoy::config::core::v3::Node node = Sidecar();
  for (const std::string_view feature : xds::kFieldFeatures) {
    if (feature != lacking) node.add_client_features(std::string(feature));
  }
  return node;
}

// One of 0.1.0 rejects a listener in which these are set.
bool HasHttp10(const xds::Resource& resource) {
  envoy::config::listener::v3::Listener listener;
  EXPECT_TRUE(listener.ParseFromString(resource.bytes));
  HttpConnectionManager manager;
  for (const auto& chain : listener.filter_chains()) {
    for (const auto& filter : chain.filters()) {
      if (filter.typed_config().UnpackTo(&manager) &&
          (manager.http_protocol_options().accept_http_10() ||
           !manager.http_protocol_options().default_host_for_http_10().empty()))
        return true;
    }
  }
  return false;
}

class OlderSidecars : public testing::Test {
 protected:
  OlderSidecars() {
    discovery::Workload workload;
    workload.id = "post-1";
    workload.address = "192.0.2.1";
    workload.services = {{"default", "post"}};
    workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
    workload.outbound.http_port = 15001;
    mesh_.workloads[workload.id] = workload;
    whole_ = std::make_shared<Snapshot>(BuildSnapshot(mesh_, {"post-1"}));
  }

  discovery::Mesh mesh_;
  std::shared_ptr<const Snapshot> whole_;
  OlderResources resources_;
};

TEST_F(OlderSidecars, LackWhatTheyDoNotName) {
  envoy::config::core::v3::Node node = Sidecar();
  EXPECT_NE(FeaturesLackingIn(node), 0);
  node.add_client_features(std::string(xds::kOnDemandFeature));
  EXPECT_NE(FeaturesLackingIn(node), 0);
  for (const std::string_view feature : xds::kFieldFeatures)
    node.add_client_features(std::string(feature));
  EXPECT_EQ(FeaturesLackingIn(node), 0);
}

TEST_F(OlderSidecars, OtherClientsGetEverything) {
  envoy::config::core::v3::Node node;
  node.set_user_agent_name("envoy");
  EXPECT_EQ(FeaturesLackingIn(node), 0);
  EXPECT_EQ(FeaturesLackingIn({}), 0);
}

TEST_F(OlderSidecars, GetEachListenerWithoutTheFieldAndWithAVersionOfItsOwn) {
  const OlderView view(whole_, FeaturesLackingIn(SidecarWithout(xds::kAcceptHttp10Feature)),
                       resources_);
  size_t listeners = 0;
  view.ForEach(kListenerType, [&](const std::string& name, const xds::Resource& resource) {
    ++listeners;
    const auto whole = whole_->Find(kListenerType, name).resource;
    const auto found = view.Find(kListenerType, name).resource;
    EXPECT_TRUE(HasHttp10(*whole)) << name;
    EXPECT_FALSE(HasHttp10(resource)) << name;
    EXPECT_EQ(found->bytes, resource.bytes);
    EXPECT_NE(found->version, whole->version) << "an upgraded sidecar must be sent the whole one";
    EXPECT_LT(resource.bytes.size(), whole->bytes.size());
    EXPECT_GT(resource.bytes.size() + 128, whole->bytes.size()) << "and nothing else is missing";
  });
  EXPECT_EQ(listeners, 2);
  EXPECT_EQ(view.Find(kListenerType, "nope").resource, nullptr);
}

TEST_F(OlderSidecars, GetRoutesWithoutThoseForConnect) {
  const auto tunnels_in = [](const xds::Resource& resource) {
    envoy::config::route::v3::RouteConfiguration routes;
    EXPECT_TRUE(routes.ParseFromString(resource.bytes));
    size_t tunnels = 0, others = 0;
    for (const auto& host : routes.virtual_hosts()) {
      for (const auto& route : host.routes())
        ++(route.match().has_connect_matcher() ? tunnels : others);
    }
    return std::make_pair(tunnels, others);
  };
  const auto whole = whole_->Find(kRouteType, "outbound|http").resource;
  EXPECT_EQ(tunnels_in(*whole), std::make_pair(size_t{2}, size_t{2}));
  const auto lacking = FeaturesLackingIn(SidecarWithout(xds::kConnectMatcherFeature));
  const OlderView older(whole_, lacking, resources_);
  const auto found = older.Find(kRouteType, "outbound|http").resource;
  EXPECT_EQ(tunnels_in(*found), std::make_pair(size_t{0}, size_t{2}));
  EXPECT_NE(found->version, whole->version);
  older.ForEach(kRouteType, [&](const std::string& name, const xds::Resource& resource) {
    EXPECT_EQ(resource.version, found->version) << name;
  });
  EXPECT_EQ(older.Find(kListenerType, "inbound|15080").resource,
            whole_->Find(kListenerType, "inbound|15080").resource)
      << "it lacks nothing of listeners";
}

TEST_F(OlderSidecars, GetChainsWithoutSettingsOfTracingThatTheyDoNotKnow) {
  const auto chains_with = [](const xds::Resource& resource, const char* field) {
    envoy::config::listener::v3::Listener listener;
    EXPECT_TRUE(listener.ParseFromString(resource.bytes));
    size_t chains = 0;
    for (const auto& chain : listener.filter_chains()) {
      const auto& all = chain.metadata().filter_metadata();
      chains += all.contains("tulle") && all.at("tulle").fields().contains(field);
    }
    return chains;
  };
  const OlderView view(whole_, FeaturesLackingIn(Sidecar()), resources_);
  const auto whole = whole_->Find(kListenerType, "inbound|15080").resource;
  const auto found = view.Find(kListenerType, "inbound|15080").resource;
  EXPECT_GT(chains_with(*whole, "tracing"), 0);
  EXPECT_EQ(chains_with(*found, "tracing"), 0);
  EXPECT_GT(chains_with(*whole, "service"), 0);
  EXPECT_EQ(chains_with(*found, "service"), chains_with(*whole, "service"));
}

// Those of 0.1.0 reject a listener whose spans go by HTTP.
TEST_F(OlderSidecars, SendSpansToTheControlPlaneInsteadOfACollectorByHttp) {
  const auto collectors = [](const xds::Resource& resource) {
    envoy::config::listener::v3::Listener listener;
    EXPECT_TRUE(listener.ParseFromString(resource.bytes));
    std::set<std::string> found;
    for (const auto& chain : listener.filter_chains()) {
      HttpConnectionManager manager;
      if (!chain.filters(0).typed_config().UnpackTo(&manager)) continue;
      const auto& provider = manager.tracing().provider().typed_config();
      envoy::config::trace::v3::OpenTelemetryConfig otlp;
      envoy::config::trace::v3::ZipkinConfig zipkin;
      if (provider.UnpackTo(&zipkin)) found.insert(zipkin.collector_cluster());
      if (!provider.UnpackTo(&otlp)) continue;
      found.insert(otlp.grpc_service().envoy_grpc().cluster_name() +
                   otlp.http_service().http_uri().uri());
    }
    return found;
  };
  for (const auto& [protocol, whole_collector] :
       {std::pair<std::string, std::string>{"zipkin", "collector-http|192.0.2.9:80"},
        {"otlp-http", "http://192.0.2.9:80/v1/traces"}}) {
    auto parsed = policy::ParseDocuments(
        "apiVersion: tulle.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {name: t}\n"
        "spec: {targetRef: {kind: Mesh}, tracing: {protocol: " +
            protocol + ", collector: '192.0.2.9:80'}}\n",
        "f");
    ASSERT_TRUE(parsed.ok());
    mesh_.policies = {};
    for (auto& document : parsed.documents) mesh_.policies.Upsert(std::move(document));
    const auto whole = std::make_shared<Snapshot>(BuildSnapshot(mesh_, {"post-1"}));
    const OlderView older(whole, FeaturesLackingIn(Sidecar()), resources_);
    const std::string name = "inbound|15080";
    EXPECT_EQ(collectors(*whole->Find(kListenerType, name).resource),
              std::set<std::string>{whole_collector});
    EXPECT_EQ(collectors(*older.Find(kListenerType, name).resource),
              std::set<std::string>{"tulle-control"});
  }
}

// Those of 0.1.0 reject a listener whose access log goes to a collector.
TEST_F(OlderSidecars, LogWhatFailedInsteadOfToACollector) {
  auto parsed = policy::ParseDocuments(
      "apiVersion: tulle.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {name: t}\n"
      "spec: {targetRef: {kind: Mesh}, accessLog: {format: json, collector: '192.0.2.9:80'}}\n",
      "f");
  ASSERT_TRUE(parsed.ok());
  for (auto& document : parsed.documents) mesh_.policies.Upsert(std::move(document));
  const auto whole = std::make_shared<Snapshot>(BuildSnapshot(mesh_, {"post-1"}));
  const OlderView older(whole, FeaturesLackingIn(Sidecar()), resources_);
  int with_log = 0;
  whole->ForEach(kListenerType, [&](const std::string& name, const xds::Resource& resource) {
    with_log += resource.bytes.find("OpenTelemetryAccessLogConfig") != std::string::npos;
    const auto without = older.Find(kListenerType, name).resource;
    EXPECT_EQ(without->bytes.find("OpenTelemetryAccessLogConfig"), std::string::npos) << name;
  });
  EXPECT_GT(with_log, 1);
}

TEST_F(OlderSidecars, GetTheSameOfOtherTypes) {
  const OlderView view(whole_, FeaturesLackingIn(Sidecar()), resources_);
  for (const std::string_view type : {kClusterType, kEndpointType}) {
    view.ForEach(type, [&](const std::string& name, const xds::Resource& resource) {
      EXPECT_EQ(&resource, whole_->Find(type, name).resource.get());
      EXPECT_EQ(view.Find(type, name).resource, whole_->Find(type, name).resource);
    });
  }
  EXPECT_EQ(resources_.kept(), 0);
}

TEST_F(OlderSidecars, ShareWhatIsMadeWithinABound) {
  const LackingFeatures lacking = FeaturesLackingIn(Sidecar());
  const OlderView view(whole_, lacking, resources_);
  const OlderView other(whole_, lacking, resources_);
  EXPECT_EQ(view.Find(kListenerType, "inbound|15080").resource,
            other.Find(kListenerType, "inbound|15080").resource);
  for (size_t i = 0; i < 2 * OlderResources::kMostKept; ++i) {
    auto each = std::make_shared<xds::Resource>();
    each->version = std::to_string(i);
    resources_.Without(lacking, kListenerType, each);
  }
  EXPECT_LE(resources_.kept(), OlderResources::kMostKept);
}

}  // namespace
}  // namespace tulle::snapshot
