// What a change costs, in resources made; and the oracle: after any history of changes every node
// sees what a full build of the same mesh gives, and each difference was announced.
#include "control-plane/snapshot/shared_resources.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "control-plane/policy/parse.h"
#include "control-plane/snapshot/node_resources.h"
#include "control-plane/snapshot/testing/build_snapshot.h"

namespace tulle::snapshot {
namespace {

using discovery::LiveMesh;
using discovery::Workload;

constexpr std::string_view kTypes[] = {kClusterType, kEndpointType, kListenerType, kRouteType,
                                       kSecretType};

Workload NewWorkload(const std::string& id, const std::string& service, int number) {
  Workload workload;
  workload.id = id;
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + service;
  workload.address = "10.1." + std::to_string(number / 256) + "." + std::to_string(number % 256);
  workload.services = {{"default", service}};
  workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
  return workload;
}

policy::Document Parse(const std::string& kind, const std::string& name, const std::string& spec,
                       const std::string& ns = "default") {
  const bool is_route = kind == "HTTPRoute";
  const std::string yaml = std::string("apiVersion: ") +
                           (is_route ? "gateway.networking.k8s.io/v1" : "tulle.dev/v1alpha1") +
                           "\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: " + ns +
                           "}\nspec: " + spec;
  const policy::ParsedFile parsed = policy::ParseDocuments(yaml, "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems) << yaml;
  return parsed.documents.at(0);
}

std::string RouteSpec(const std::string& parent, const std::string& backend, int weight) {
  return "{parentRefs: [{kind: Service, name: " + parent +
         "}], rules: [{backendRefs: [{name: " + backend +
         ", port: 80, weight: " + std::to_string(weight) + "}, {name: " + parent +
         ", port: 80}]}]}";
}

// Of a namespace, for a service of another one.
std::string ConsumerSpec(const std::string& parent, int weight) {
  return "{parentRefs: [{kind: Service, name: " + parent +
         ", namespace: default}], rules: [{backendRefs: [{name: " + parent +
         ", namespace: default, port: 80, weight: " + std::to_string(weight) + "}]}]}";
}

// A mesh of many services with two workloads each.
class CostTest : public testing::Test {
 protected:
  static constexpr int kServices = 300;

  CostTest() {
    mesh_.SetTrustBundle("roots");
    for (int i = 0; i < kServices; ++i) {
      for (const char* replica : {"-a", "-b"}) {
        const std::string service = "s" + std::to_string(i);
        mesh_.PutWorkload(NewWorkload(service + replica, service, 2 * i + (replica[1] == 'b')));
      }
    }
    mesh_.TakeChanges();
    shared_ = std::make_unique<SharedResources>(mesh_.mesh(), mesh_.services());
    made_ = shared_->made();
  }
  // Takes the change in; how many resources it made.
  uint64_t Made() {
    changes_ = mesh_.TakeChanges();
    changed_ = shared_->Update(changes_);
    return shared_->made() - std::exchange(made_, shared_->made());
  }
  void Apply(const policy::Document& document) {
    policy::PolicySet policies = mesh_.mesh().policies;
    policies.Upsert(document);
    mesh_.SetPolicies(std::move(policies));
  }
  using Names = std::set<std::string>;

  LiveMesh mesh_{"cluster.local", ""};
  std::unique_ptr<SharedResources> shared_;
  uint64_t made_ = 0;
  discovery::MeshChanges changes_;
  xds::ChangedNames changed_;
};

constexpr char kS7[] = "outbound|80||s7.default.svc.cluster.local";

TEST_F(CostTest, AnEndpointThatLeavesMakesOneResource) {
  mesh_.RemoveWorkload("s7-b");
  EXPECT_EQ(Made(), 1);
  EXPECT_EQ(changed_, (xds::ChangedNames{{std::string(kEndpointType), Names{kS7}}}));
  EXPECT_EQ(changes_.workloads, Names{"s7-b"});
}

TEST_F(CostTest, AnUnhealthyEndpointConcernsNoWorkloadItself) {
  Workload sick = mesh_.mesh().workloads.at("s7-b");
  sick.health = discovery::Health::kUnhealthy;
  mesh_.PutWorkload(sick);
  EXPECT_EQ(Made(), 1);
  EXPECT_TRUE(changes_.workloads.empty());
  mesh_.PutWorkload(sick);
  EXPECT_EQ(Made(), 0) << "nothing has changed";
}

TEST_F(CostTest, ARouteMakesTheResourcesOfTheServicesThatItNames) {
  Apply(Parse("HTTPRoute", "r", RouteSpec("s7", "s8", 1)));
  EXPECT_LE(Made(), 8);
  EXPECT_EQ(changes_.workloads, Names());
  EXPECT_FALSE(changed_.contains(kEndpointType));
  EXPECT_FALSE(changed_.contains(kClusterType));
}

TEST_F(CostTest, AConsumerRouteIsForTheCallersOfItsNamespaceAlone) {
  const std::string name = "s7.default.svc.cluster.local:80";
  const auto version = [&](const char* ns) { return shared_->VipRoutesFrom(ns, name)->version; };
  Apply(Parse("HTTPRoute", "producer", RouteSpec("s7", "s8", 1)));
  Made();
  const std::string all = version("default");
  Apply(Parse("HTTPRoute", "consumer", ConsumerSpec("s7", 1), "shop"));
  EXPECT_EQ(Made(), 0) << "nothing of the Service itself";
  EXPECT_TRUE(changes_.workloads.empty());
  EXPECT_EQ(changed_[std::string(kRouteType)], (Names{name, "outbound|http"}));
  EXPECT_EQ(version("default"), all);
  EXPECT_EQ(version("other"), all);
  const std::string consumers = version("shop");
  EXPECT_NE(consumers, all);

  Apply(Parse("HTTPRoute", "producer", RouteSpec("s7", "s9", 1)));
  Made();
  EXPECT_NE(version("default"), all);
  EXPECT_EQ(version("shop"), consumers) << "its own routes win";
  policy::PolicySet policies = mesh_.mesh().policies;
  policies.Erase({policy::Kind::kHttpRoute, "shop", "consumer"});
  mesh_.SetPolicies(std::move(policies));
  Made();
  EXPECT_EQ(version("shop"), version("default"));
  EXPECT_TRUE(changed_[std::string(kRouteType)].contains(name));
}

TEST_F(CostTest, APolicyOfOneServiceConcernsThatService) {
  Apply(Parse("ResiliencePolicy", "p",
              "{targetRef: {kind: Service, name: s7}, limits: {perClientMaxRequests: 3}}"));
  EXPECT_LE(Made(), 4);
  EXPECT_EQ(changed_[std::string(kClusterType)], Names{kS7});
  Apply(Parse("PeerAuthentication", "p", "{targetRef: {kind: Service, name: s7}, mode: STRICT}"));
  EXPECT_EQ(Made(), 0);
  EXPECT_EQ(changes_.workloads, (Names{"s7-a", "s7-b"}));
}

TEST_F(CostTest, APolicyOfTheMeshConcernsEachWorkloadButMakesNothingShared) {
  Apply(Parse("PeerAuthentication", "p", "{targetRef: {kind: Mesh}, mode: STRICT}"));
  EXPECT_EQ(Made(), 0);
  EXPECT_EQ(changes_.workloads.size(), 2u * kServices);
}

// Access logs are set in listeners: services, endpoints, clusters and routes stay as they are.
TEST_F(CostTest, ATelemetryPolicyOfTheMeshMakesListenersAlone) {
  std::map<std::string, std::string> vips;
  for (int i = 0; i < kServices; ++i) {
    vips["s" + std::to_string(i) + ".default.svc.cluster.local"] = "240.240.1." + std::to_string(i);
  }
  mesh_.SetVips(vips);
  Made();
  Apply(Parse("TelemetryPolicy", "t", "{targetRef: {kind: Mesh}, accessLog: {format: json}}"));
  EXPECT_EQ(Made(), static_cast<uint64_t>(kServices));
  for (const auto& [name, scope] : changes_.services) {
    EXPECT_EQ(scope, discovery::MeshChanges::Scope::kListeners) << name.name;
  }
  EXPECT_EQ(changed_.size(), 1);
  EXPECT_EQ(changed_[std::string(kListenerType)].size(), static_cast<size_t>(kServices));
  EXPECT_FALSE(changes_.routes);

  mesh_.RemoveWorkload("s7-b");
  Apply(Parse("TelemetryPolicy", "t", "{targetRef: {kind: Mesh}, accessLog: {format: istio}}"));
  Made();
  EXPECT_EQ(changed_[std::string(kEndpointType)], Names{kS7}) << "one change does not hide another";
  EXPECT_EQ(changed_[std::string(kListenerType)].size(), static_cast<size_t>(kServices));
}

TEST_F(CostTest, WhatNodesHaveInCommonIsMadeOnce) {
  OwnResources own(*shared_);
  const NodeResources one(*shared_, own, {"s1-a"});
  const NodeResources other(*shared_, own, {"s2-b"});
  EXPECT_EQ(one.Find(kClusterType, kS7).resource, other.Find(kClusterType, kS7).resource);
  EXPECT_EQ(one.Find(kEndpointType, kS7).resource, other.Find(kEndpointType, kS7).resource);
  EXPECT_EQ(Made(), 0);
  EXPECT_EQ(own.made(), 0) << "a shared resource needs nothing of the node's own";
}

// To callers without a locality both policies mean the same.
TEST_F(CostTest, CallersAreToldThatTheirOwnLocalityCountsOrCountsNoLonger) {
  for (const char* id : {"s7-a", "s7-b"}) {
    Workload workload = mesh_.mesh().workloads.at(id);
    workload.locality = id == std::string("s7-a") ? "eu/a" : "eu/b";
    mesh_.PutWorkload(workload);
  }
  const auto apply = [this](const std::string& localities) {
    Apply(Parse("ResiliencePolicy", "p",
                "{targetRef: {kind: Service, name: s7}, localities: {" + localities + "}}"));
    Made();
    return changed_[std::string(kEndpointType)].contains(kS7);
  };
  apply("priorities: [eu]");
  const std::string shared = shared_->EndpointsFrom("", kS7)->version;
  EXPECT_TRUE(apply("preferOwn: true"));
  EXPECT_EQ(shared_->EndpointsFrom("", kS7)->version, shared);
  EXPECT_NE(shared_->EndpointsFrom("eu/a", kS7)->version, shared);
  // Its machine's, where the mesh does not know its own.
  OwnResources own(*shared_);
  const NodeResources pod(*shared_, own, {.workload = "s1-a", .locality = "eu/a"});
  EXPECT_EQ(pod.Find(kEndpointType, kS7).resource, shared_->EndpointsFrom("eu/a", kS7));
  EXPECT_TRUE(apply("priorities: [eu]"));
  EXPECT_EQ(shared_->EndpointsFrom("eu/a", kS7)->version, shared);
}

// Between two slices of a change the mesh is ahead of the resources.
TEST_F(CostTest, ALocalServiceThatIsGoneHasItsFormerEndpointsUntilItsTurnComes) {
  Workload caller = mesh_.mesh().workloads.at("s1-a");
  caller.locality = "eu/a";
  mesh_.PutWorkload(caller);
  Apply(Parse("ResiliencePolicy", "p",
              "{targetRef: {kind: Service, name: s7}, localities: {preferOwn: true}}"));
  Made();
  mesh_.RemoveWorkload("s7-a");
  mesh_.RemoveWorkload("s7-b");
  const discovery::MeshChanges changes = mesh_.TakeChanges();
  OwnResources own(*shared_);
  const NodeResources node(*shared_, own, {"s1-a"});
  const ResourceTable before = node.TableOf(kEndpointType);
  ASSERT_TRUE(before.contains(kS7));
  EXPECT_NE(before.at(kS7), nullptr);
  shared_->Update(changes);
  EXPECT_FALSE(node.TableOf(kEndpointType).contains(kS7));
}

constexpr char kMember[] = "10.1.0.14_15080";  // s7-a
constexpr char kMemberCluster[] = "outbound|80|10.1.0.14_15080|s7.default.svc.cluster.local";

TEST_F(CostTest, AMemberCostsNothingUntilItIsCalledByItsAddress) {
  EXPECT_EQ(shared_->MemberListener("10.1.0.14_9999"), nullptr) << "not a port of the member";
  EXPECT_EQ(shared_->MemberListener("10.9.9.9_15080"), nullptr) << "not a member";
  EXPECT_EQ(shared_->MemberListener("240.240.0.1"), nullptr);
  EXPECT_EQ(shared_->MemberCluster(kS7), nullptr);
  for (const char* replica : {"s7-a", "s7-b"}) {
    Workload other = mesh_.mesh().workloads.at(replica);
    other.health = discovery::Health::kUnhealthy;
    mesh_.PutWorkload(other);
  }
  EXPECT_EQ(Made(), 1);
  EXPECT_EQ(changed_, (xds::ChangedNames{{std::string(kEndpointType), Names{kS7}}}));
}

TEST_F(CostTest, AMemberThatIsUsedFollowsItsServiceAndLeaves) {
  ASSERT_NE(shared_->MemberListener(kMember), nullptr);
  const auto before = shared_->MemberCluster(kMemberCluster);
  ASSERT_NE(before, nullptr);
  EXPECT_NE(before->bytes.find("spiffe://cluster.local/ns/default/sa/s7"), std::string::npos);
  Apply(Parse("ResiliencePolicy", "p",
              "{targetRef: {kind: Service, name: s7}, limits: {perClientMaxRequests: 3}}"));
  Made();
  EXPECT_TRUE(changed_[std::string(kClusterType)].contains(kMemberCluster));
  EXPECT_NE(shared_->MemberCluster(kMemberCluster)->version, before->version);
  mesh_.RemoveWorkload("s7-b");
  Made();
  EXPECT_FALSE(changed_.contains(kClusterType)) << "another member is of no concern";
  mesh_.RemoveWorkload("s7-a");
  Made();
  EXPECT_TRUE(changed_[std::string(kListenerType)].contains(kMember));
  EXPECT_TRUE(changed_[std::string(kClusterType)].contains(kMemberCluster));
  EXPECT_EQ(shared_->MemberListener(kMember), nullptr);
  EXPECT_EQ(shared_->MemberCluster(kMemberCluster), nullptr);
}

TEST_F(CostTest, OnlyTransparentNodesHaveMembersAndByNameOnly) {
  OwnResources own(*shared_);
  const NodeResources as_explicit(*shared_, own, {"s1-a", true});
  EXPECT_EQ(as_explicit.Find(kListenerType, kMember).resource, nullptr);
  Workload caller = mesh_.mesh().workloads.at("s1-a");
  caller.interception.emplace();
  mesh_.PutWorkload(caller);
  Made();
  const NodeResources transparent(*shared_, own, {"s1-a", true});
  EXPECT_TRUE(transparent.Find(kListenerType, kMember).by_name_only);
  EXPECT_NE(transparent.Find(kClusterType, kMemberCluster).resource, nullptr);
  EXPECT_FALSE(transparent.TableOf(kListenerType).contains(kMember));
}

TEST_F(CostTest, AListenerForAServicesPortFollowsItsProtocol) {
  Workload caller = NewWorkload("caller", "caller", 99);
  caller.outbound.tcp = {{{"default", "late"}, 80, 26379}};
  mesh_.PutWorkload(caller);
  Made();
  OwnResources own(*shared_);
  constexpr char kListener[] = "outbound|tcp|late.default.svc.cluster.local|80";
  const auto bytes_of = [&] {
    const NodeResources node(*shared_, own, {"caller"});
    return node.Find(kListenerType, kListener).resource->bytes;
  };
  EXPECT_EQ(bytes_of().find("http_connection_manager"), std::string::npos);
  mesh_.PutWorkload(NewWorkload("late-a", "late", 98));
  Made();
  EXPECT_TRUE(changes_.workloads.contains("caller"));
  for (const std::string& id : changes_.workloads) own.Forget(id);
  EXPECT_NE(bytes_of().find("http_connection_manager"), std::string::npos);
  const NodeResources node(*shared_, own, {"caller"});
  EXPECT_NE(node.Find(kRouteType, "late.default.svc.cluster.local:80").resource, nullptr);
}

// What a node has been told: looked up again only where a change was announced.
class Told {
 public:
  explicit Told(NodeView view) : view_(std::move(view)) {}

  void Take(const discovery::MeshChanges& changes, const xds::ChangedNames& names,
            SharedResources& shared, OwnResources& own) {
    const NodeResources resources(shared, own, view_);
    if (changes.workloads.contains(view_.workload)) return TakeAll(resources);
    for (const auto& [type, each] : names) {
      for (const std::string& name : each) {
        const auto found = resources.Find(type, name);
        versions_[type].erase(name);
        if (found.resource != nullptr) versions_[type][name] = found.resource->version;
      }
    }
  }
  void TakeAll(const NodeResources& resources) { versions_ = VersionsOf(resources.ToSnapshot()); }
  // Routes have no wildcard, but the names that exist can be compared all the same.
  void ExpectEqual(const Snapshot& built) const {
    for (const auto& [type, table] : VersionsOf(built)) {
      const auto found = versions_.find(type);
      EXPECT_EQ(found == versions_.end() ? Versions() : found->second, table)
          << view_.workload << " " << type;
    }
  }
  const NodeView& view() const { return view_; }

 private:
  using Versions = std::map<std::string, std::string>;
  static std::map<std::string, Versions> VersionsOf(const Snapshot& snapshot) {
    std::map<std::string, Versions> all;
    for (const std::string_view type : kTypes) {
      Versions& versions = all[std::string(type)];
      for (const auto& [name, resource] : *snapshot.TableOf(type))
        versions[name] = resource->version;
    }
    return all;
  }

  const NodeView view_;
  std::map<std::string, Versions> versions_;
};

class OracleTest : public testing::TestWithParam<int> {
 protected:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  std::string AnyService() { return "s" + std::to_string(Below(6)); }
  std::string AnyTarget() {
    const int which = Below(4);
    if (which == 0) return "{kind: Namespace}";
    if (which == 1) return "{kind: Mesh}";
    return "{kind: Service, name: " + AnyService() + "}";
  }

  Workload AnyWorkload() {
    const int number = Below(12);
    Workload workload = NewWorkload("w" + std::to_string(number), AnyService(), number);
    if (Below(4) == 0) workload.services.push_back({"other", AnyService()});
    if (Below(6) == 0) workload.services.clear();
    if (Below(3) == 0) workload.inbound[0].protocol = policy::Protocol::kAuto;
    if (Below(3) == 0) workload.inbound.push_back({15090, 9090, 9090, policy::Protocol::kTcp});
    if (Below(3) == 0) workload.health = discovery::Health::kUnhealthy;
    if (Below(3) == 0) workload.ns = "other";
    constexpr const char* kLocalities[] = {"eu/a", "eu/b", "us/b", "", "", ""};
    workload.locality = kLocalities[Below(6)];
    if (Below(2) == 0) {
      workload.interception.emplace();
    } else {
      workload.outbound.http_port = 15001;
      if (Below(2) == 0) workload.outbound.tcp = {{{"default", AnyService()}, 9090, 26379}};
    }
    return workload;
  }

  std::string AnyLocalities() {
    constexpr const char* kChoices[] = {"", ", localities: {preferOwn: true}",
                                        ", localities: {priorities: [eu]}"};
    return kChoices[Below(3)];
  }

  policy::Document AnyPolicy() {
    const std::string name = "p" + std::to_string(Below(4));
    switch (Below(8)) {
      case 6:
        return Parse("HTTPRoute", name, ConsumerSpec(AnyService(), Below(3)), "other");
      case 0:
        return Parse("HTTPRoute", name, RouteSpec(AnyService(), AnyService(), Below(3)));
      case 1:
        return Parse("ResiliencePolicy", name,
                     "{targetRef: {kind: Service, name: " + AnyService() +
                         "}, timeouts: {connect: " + std::to_string(1 + Below(3)) + "s}" +
                         AnyLocalities() + "}");
      case 2:
        return Parse("AuthorizationPolicy", name,
                     "{targetRef: {kind: Service, name: " + AnyService() +
                         "}, action: ALLOW, rules: [{from: {principals: [ns/default/sa/" +
                         AnyService() + "]}}]}");
      case 3:
        return Parse("PeerAuthentication", name, "{targetRef: " + AnyTarget() + ", mode: STRICT}");
      case 4:
        return Parse("TelemetryPolicy", name,
                     "{targetRef: " + AnyTarget() + ", tracing: {collector: '10.0.0.9:" +
                         std::to_string(4317 + Below(2)) + "'}}");
      case 5:
        return Parse("EgressPolicy", name,
                     "{targetRef: " + AnyTarget() + ", unknownDestinations: DENY}");
      default:
        return Parse("ExternalService", name,
                     "{hosts: [" + name +
                         ".example.org], ports: [{number: 443, protocol: tcp}, "
                         "{number: 80, protocol: http}], resolution: DNS}");
    }
  }

  void ChangeSomething() {
    switch (Below(8)) {
      case 0:
        return mesh_.RemoveWorkload("w" + std::to_string(Below(12)));
      case 1:
      case 2: {
        policy::PolicySet policies = mesh_.mesh().policies;
        policies.Upsert(AnyPolicy());
        return mesh_.SetPolicies(std::move(policies));
      }
      case 3: {
        policy::PolicySet policies = mesh_.mesh().policies;
        const auto& documents = mesh_.mesh().policies.documents();
        if (documents.empty()) return;
        policies.Erase(
            std::next(documents.begin(), Below(static_cast<int>(documents.size())))->first);
        return mesh_.SetPolicies(std::move(policies));
      }
      case 4:
        return mesh_.SetTrustBundle("roots " + std::to_string(Below(2)));
      case 5:
        return GiveVips();
      default:
        mesh_.PutWorkload(AnyWorkload());
    }
  }
  // Some of the hosts, with addresses that differ from time to time.
  void GiveVips() {
    std::map<std::string, std::string> vips;
    for (int i = 0; i < 6; ++i) {
      if (Below(4) == 0) continue;
      vips["s" + std::to_string(i) + ".default.svc.cluster.local"] =
          "240.240.0." + std::to_string(1 + i + 10 * Below(2));
    }
    for (int i = 0; i < 4; ++i) {
      vips["p" + std::to_string(i) + ".example.org"] = "240.240.1." + std::to_string(1 + i);
    }
    mesh_.SetVips(vips);
  }

  // Of all members, by type and name.
  using Versions = std::map<std::pair<std::string, std::string>, std::string>;
  void Tell(SharedResources& shared, const xds::ChangedNames* changed, Versions* told) {
    for (int i = 0; i < 24; ++i) {
      const std::string name =
          "10.1.0." + std::to_string(i / 2) + (i % 2 == 0 ? "_15080" : "_15090");
      const auto listener = shared.MemberListener(name);
      Note(kListenerType, name, listener, changed, told);
      for (int service = 0; service < 6; ++service) {
        for (const char* middle : {"|", "|bytes@"}) {
          const std::string cluster = (i % 2 == 0 ? "outbound|80" : "outbound|9090") +
                                      std::string(middle) + name + "|s" + std::to_string(service) +
                                      ".default.svc.cluster.local";
          Note(kClusterType, cluster, shared.MemberCluster(cluster), changed, told);
        }
      }
    }
  }
  // What is there is looked up again only where a change was announced.
  static void Note(std::string_view type, const std::string& name,
                   const std::shared_ptr<const Resource>& found, const xds::ChangedNames* changed,
                   Versions* told) {
    const std::pair<std::string, std::string> key(type, name);
    const bool is_known = told->contains(key);
    const auto names =
        changed == nullptr ? xds::ChangedNames::const_iterator() : changed->find(type);
    if (is_known && changed != nullptr &&
        (names == changed->end() || !names->second.contains(name))) {
      return;
    }
    told->erase(key);
    if (found != nullptr) (*told)[key] = found->version;
  }

  std::mt19937 random_{static_cast<unsigned>(GetParam())};
  LiveMesh mesh_{"cluster.local", ""};
};

TEST_P(OracleTest, CallersOfMembersAreToldEveryDifference) {
  mesh_.TakeChanges();
  SharedResources shared(mesh_.mesh(), mesh_.services());
  Versions told;
  size_t seen = 0;
  for (int step = 0; step < 60; ++step) {
    for (int changes = 1 + Below(3); changes > 0; --changes) ChangeSomething();
    const xds::ChangedNames changed = shared.Update(mesh_.TakeChanges());
    Tell(shared, &changed, &told);
    SharedResources fresh(mesh_.mesh(), mesh_.services());
    Versions whole;
    Tell(fresh, nullptr, &whole);
    ASSERT_EQ(told, whole) << "step " << step;
    seen = std::max(seen, whole.size());
  }
  EXPECT_GT(seen, 10u);
}

TEST_P(OracleTest, EveryNodeIsToldEveryDifferenceAndSeesAFullBuild) {
  mesh_.TakeChanges();
  SharedResources shared(mesh_.mesh(), mesh_.services());
  OwnResources own(shared);
  std::vector<Told> nodes;
  for (int i = 0; i < 12; ++i) nodes.emplace_back(NodeView{"w" + std::to_string(i), i % 2 == 0});
  for (Told& node : nodes) node.TakeAll(NodeResources(shared, own, node.view()));
  for (int step = 0; step < 60; ++step) {
    for (int changes = 1 + Below(3); changes > 0; --changes) ChangeSomething();
    const discovery::MeshChanges changes = mesh_.TakeChanges();
    const xds::ChangedNames names = shared.Update(changes);
    for (const std::string& id : changes.workloads) own.Forget(id);
    const discovery::Mesh copy = mesh_.mesh();
    SnapshotFactory whole(std::make_shared<const discovery::Mesh>(copy));
    for (Told& node : nodes) {
      node.Take(changes, names, shared, own);
      node.ExpectEqual(whole.Build(node.view()));
    }
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Histories, OracleTest, testing::Range(1, 9));

}  // namespace
}  // namespace tulle::snapshot
