#include "control-plane/kubernetes/cluster_state.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/recorded_mesh_for_test.h"

namespace tulle::kubernetes {
namespace {

using discovery::Workload;

Json Parse(const std::string& text) { return Json::parse(text); }

Json WebService(const std::string& ports = R"([{"name":"http","port":80}])",
                const std::string& ip = "10.96.0.7") {
  return Parse(R"({"spec":{"clusterIP":")" + ip + R"(","ports":)" + ports + "}}");
}

Json Endpoint(const std::string& address, const std::string& uid,
              const std::string& conditions = R"({"ready":true})") {
  Json endpoint = Parse(R"({"nodeName":"n1","zone":"z9"})");
  endpoint["addresses"] = {address};
  endpoint["conditions"] = Parse(conditions);
  if (!uid.empty()) endpoint["targetRef"] = {{"kind", "Pod"}, {"uid", uid}};
  return endpoint;
}

Json Slice(const std::string& service, const std::vector<Json>& endpoints,
           const std::string& ports = R"([{"name":"http","port":8080}])") {
  Json slice{{"addressType", "IPv4"}, {"endpoints", endpoints}};
  slice["metadata"]["labels"]["kubernetes.io/service-name"] = service;
  slice["ports"] = Parse(ports);
  return slice;
}

// A row of the Table of pods.
Json Pod(const std::string& uid, const std::string& account = "",
         const std::string& address = "10.1.0.1") {
  Json pod;
  pod["metadata"]["uid"] = uid;
  pod["cells"]["IP"] = address;
  if (account.empty()) return pod;
  pod["metadata"]["labels"][kMeshedLabel] = "true";
  pod["metadata"]["annotations"][kAccountAnnotation] = account;
  return pod;
}

class ClusterStateTest : public ::testing::Test {
 protected:
  // "10.1.0.1 shop/web:80->8080 http": address, then what is served.
  std::string Text(const std::string& id) const {
    const auto found = mesh_.workloads.find(id);
    if (found == mesh_.workloads.end()) return "none";
    std::string text = found->second.address;
    ForEachServed(found->second, [&](const ServiceName& service, uint32_t port, uint32_t dialled,
                                     Protocol protocol, bool is_skipped) {
      absl::StrAppend(&text, " ", service.ns, "/", service.name, ":", port, "->", dialled,
                      protocol == Protocol::kHttp  ? " http"
                      : protocol == Protocol::kTcp ? " tcp"
                                                   : " auto",
                      is_skipped ? " skipped" : "");
    });
    return text;
  }
  void PutWeb() {
    state_.PutService({"shop", "web"}, WebService());
    state_.PutPod({"shop", "web-1"}, Pod("u1", "web"));
    state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1")}));
  }

  RecordedMesh mesh_;
  ClusterState state_{"cluster.local", mesh_};
};

TEST_F(ClusterStateTest, AMeshedPodBehindAService) {
  state_.PutNode({"", "n1"}, Parse(R"({"metadata":{"labels":{
      "topology.kubernetes.io/region":"eu","topology.kubernetes.io/zone":"eu-1"}}})"));
  state_.Publish();
  PutWeb();
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  const Workload& pod = mesh_.workloads.at("u1");
  EXPECT_TRUE(pod.is_meshed);
  EXPECT_TRUE(pod.interception.has_value());
  EXPECT_EQ(pod.spiffe_id, "spiffe://cluster.local/ns/shop/sa/web");
  EXPECT_EQ(pod.ns, "shop");
  EXPECT_EQ(pod.locality, "eu/eu-1");
  EXPECT_EQ(pod.metadata.at("tulle.dev/pod"), "shop/web-1");
  EXPECT_EQ(pod.inbound, (std::vector<discovery::InboundPort>{{8080, 8080, 80, Protocol::kHttp}}));
  const discovery::DeclaredService& service = mesh_.services.at({"shop", "web"});
  EXPECT_EQ(service.address, "10.96.0.7");
  EXPECT_EQ(service.ports, (std::map<uint32_t, Protocol>{{80, Protocol::kHttp}}));
}

// Its uid is free text: whoever may write to the namespace "a" may name any pod.
TEST_F(ClusterStateTest, AnEndpointSliceOfAnotherNamespaceTellsNothingOfAPod) {
  PutWeb();
  state_.PutService({"a", "web"}, WebService());
  state_.PutSlice({"a", "web-0"}, Slice("web", {Endpoint("10.6.6.6", "u1")}));
  state_.Publish();
  EXPECT_EQ(mesh_.workloads.at("u1").address, "10.1.0.1");
  EXPECT_EQ(mesh_.workloads.at("u1").ns, "shop");
  EXPECT_EQ(mesh_.workloads.at("u1").services, (std::vector<ServiceName>{{"shop", "web"}}));
}

TEST_F(ClusterStateTest, NothingOfTheClusterCanBeRegistered) {
  PutWeb();
  state_.Publish();
  discovery::Workload workload;
  workload.id = "u1";
  EXPECT_TRUE(absl::IsPermissionDenied(state_.CheckRegistration(workload)));
  workload.id = "vm-1";
  EXPECT_TRUE(state_.CheckRegistration(workload).ok());
  workload.services = {{"shop", "other"}, {"shop", "web"}};
  EXPECT_TRUE(absl::IsPermissionDenied(state_.CheckRegistration(workload)));
  workload.services = {{"a", "web"}};
  EXPECT_TRUE(state_.CheckRegistration(workload).ok());
}

TEST_F(ClusterStateTest, AnAccountThatNoServiceAccountCanHaveIsNone) {
  for (const std::string& name : {std::string("a/b"), std::string(254, 'a'), std::string("A")}) {
    state_.PutPod({"shop", "web-1"}, Pod("u1", name));
    state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1")}));
    state_.Publish();
    EXPECT_FALSE(mesh_.workloads.at("u1").is_meshed) << name;
  }
}

TEST_F(ClusterStateTest, NothingIsWrittenBeforeItIsPublished) {
  PutWeb();
  EXPECT_TRUE(mesh_.empty());
  state_.Publish();
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  EXPECT_EQ(mesh_.services.size(), 1u);
}

TEST_F(ClusterStateTest, APodWithoutASidecarGetsPlaintext) {
  state_.Publish();
  PutWeb();
  state_.PutPod({"shop", "web-1"}, Pod("u1"));
  EXPECT_FALSE(mesh_.workloads.at("u1").is_meshed);
  EXPECT_TRUE(mesh_.workloads.at("u1").spiffe_id.empty());
  EXPECT_FALSE(mesh_.workloads.at("u1").interception.has_value());
}

TEST_F(ClusterStateTest, AnEndpointWhosePodIsUnknownIsHeldBack) {
  state_.Publish();
  state_.PutService({"shop", "web"}, WebService());
  state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1")}));
  EXPECT_EQ(Text("u1"), "none");
  state_.PutPod({"shop", "web-1"}, Pod("u1", "web"));
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  state_.RemovePod({"shop", "web-1"});
  EXPECT_EQ(Text("u1"), "none");
}

TEST_F(ClusterStateTest, AnEndpointWithoutAPodIsServedInPlaintext) {
  state_.Publish();
  state_.PutService({"shop", "db"}, WebService(R"([{"port":5432,"appProtocol":"postgres"}])"));
  state_.PutSlice({"shop", "db-x"}, Slice("db", {Endpoint("192.0.2.9", "")}, R"([{"port":6432}])"));
  EXPECT_EQ(Text("shop/db-x/192.0.2.9"), "192.0.2.9 shop/db:5432->6432 tcp");
  EXPECT_FALSE(mesh_.workloads.at("shop/db-x/192.0.2.9").is_meshed);
}

TEST_F(ClusterStateTest, AnInjectedPodWithoutAServiceIsAWorkload) {
  state_.Publish();
  state_.PutPod({"shop", "job"}, Pod("u7", "batch", "<none>"));
  EXPECT_EQ(Text("u7"), "");
  EXPECT_EQ(mesh_.workloads.at("u7").spiffe_id, "spiffe://cluster.local/ns/shop/sa/batch");
  state_.PutPod({"shop", "job"}, Pod("u7", "batch", "10.1.0.7"));
  EXPECT_EQ(Text("u7"), "10.1.0.7");
  state_.PutPod({"shop", "plain"}, Pod("u8"));
  EXPECT_EQ(Text("u8"), "none");
}

TEST_F(ClusterStateTest, ServicesOfOnePodKeepTheirPortsApart) {
  state_.Publish();
  PutWeb();
  state_.PutService({"shop", "admin"}, WebService(R"([{"name":"tcp-x","port":81}])"));
  state_.PutSlice({"shop", "admin-a"},
                  Slice("admin", {Endpoint("10.1.0.1", "u1")}, R"([{"name":"tcp-x","port":9}])"));
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/admin:81->9 tcp shop/web:80->8080 http");
}

TEST_F(ClusterStateTest, TwoServicePortsWithOneTargetPortAreOneInboundPort) {
  state_.Publish();
  state_.PutPod({"shop", "web-1"}, Pod("u1", "web"));
  state_.PutService({"shop", "web"}, WebService(R"([{"name":"http","port":80},
                                                    {"name":"tcp","port":81}])"));
  state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1")},
                                           R"([{"name":"http","port":8080},
                                               {"name":"tcp","port":8080}])"));
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http shop/web:81->8080 tcp");
  const auto& inbound = mesh_.workloads.at("u1").inbound;
  ASSERT_EQ(inbound.size(), 1u);
  EXPECT_EQ(inbound[0].protocol, Protocol::kAuto);
  EXPECT_EQ(inbound[0].further_service_ports, std::vector<uint32_t>{81});
}

TEST_F(ClusterStateTest, SkippedPortsGetPlaintext) {
  state_.Publish();
  PutWeb();
  Json pod = Pod("u1", "web");
  pod["metadata"]["annotations"][kSkipPortsAnnotation] = "1, 8080,x";
  state_.PutPod({"shop", "web-1"}, pod);
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http skipped");
}

TEST_F(ClusterStateTest, ConditionsBecomeHealth) {
  state_.Publish();
  PutWeb();
  const std::pair<const char*, Health> all[] = {
      {R"({})", Health::kHealthy},
      {R"({"ready":true,"serving":true})", Health::kHealthy},
      {R"({"ready":false,"serving":true,"terminating":true})", Health::kDraining},
      {R"({"ready":false,"serving":false,"terminating":true})", Health::kUnhealthy},
      {R"({"ready":false})", Health::kUnhealthy},
  };
  for (const auto& [conditions, health] : all) {
    state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1", conditions)}));
    EXPECT_EQ(mesh_.workloads.at("u1").health, health) << conditions;
  }
}

TEST_F(ClusterStateTest, AHeadlessServiceDoesNotMakeAPodReady) {
  state_.Publish();
  PutWeb();
  state_.PutService({"shop", "peers"}, WebService(R"([{"port":1}])", "None"));
  EXPECT_EQ(mesh_.services.at({"shop", "peers"}).address, "");
  state_.PutSlice({"shop", "peers-a"}, Slice("peers", {Endpoint("10.1.0.1", "u1")}));
  state_.PutSlice({"shop", "web-a"},
                  Slice("web", {Endpoint("10.1.0.1", "u1", R"({"ready":false})")}));
  EXPECT_EQ(mesh_.workloads.at("u1").health, Health::kUnhealthy);
  state_.RemoveService({"shop", "web"});
  EXPECT_EQ(mesh_.workloads.at("u1").health, Health::kHealthy);
}

// Without a pod's uid: those who call it must still use mTLS, whichever is known first.
TEST_F(ClusterStateTest, AnEndpointByHandIsTheMeshedPodAtItsAddress) {
  state_.Publish();
  state_.PutService({"shop", "own"}, WebService());
  state_.PutSlice({"shop", "own-1"},
                  Slice("own", {Endpoint("10.1.0.1", "")}, R"([{"name":"http","port":9090}])"));
  EXPECT_EQ(Text("shop/own-1/10.1.0.1"), "10.1.0.1 shop/own:80->9090 http");
  EXPECT_FALSE(mesh_.workloads.at("shop/own-1/10.1.0.1").is_meshed);
  PutWeb();
  EXPECT_EQ(Text("shop/own-1/10.1.0.1"), "none");
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http shop/own:80->9090 http");
  EXPECT_EQ(mesh_.workloads.at("u1").inbound.size(), 2u);
  // Its health is what the cluster says, not what was written.
  state_.PutSlice({"shop", "web-a"},
                  Slice("web", {Endpoint("10.1.0.1", "u1", R"({"ready":false})")}));
  EXPECT_EQ(mesh_.workloads.at("u1").health, Health::kUnhealthy);
  state_.PutSlice({"shop", "own-1"}, Slice("own", {Endpoint("10.1.0.2", "")}));
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  EXPECT_EQ(Text("shop/own-1/10.1.0.2"), "10.1.0.2 shop/own:80->8080 http");
  state_.PutSlice({"shop", "own-1"}, Slice("own", {Endpoint("10.1.0.1", "")}));
  state_.RemovePod({"shop", "web-1"});
  EXPECT_EQ(Text("shop/own-1/10.1.0.1"), "10.1.0.1 shop/own:80->8080 http");
}

TEST_F(ClusterStateTest, AnEndpointByHandTellsNothingOfPodsOfOtherNamespaces) {
  PutWeb();
  state_.PutService({"a", "web"}, WebService());
  state_.PutSlice({"a", "web-0"}, Slice("web", {Endpoint("10.1.0.1", "")}));
  state_.Publish();
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  EXPECT_FALSE(mesh_.workloads.at("a/web-0/10.1.0.1").is_meshed);
}

TEST_F(ClusterStateTest, OpaquePortsOfAPodTakeBytes) {
  Json pod = Pod("u1", "web");
  pod["metadata"]["annotations"][kOpaquePortsAnnotation] = "8080,9090";
  state_.PutPod({"shop", "web-1"}, pod);
  state_.PutService({"shop", "web"}, WebService());
  state_.PutSlice({"shop", "web-a"}, Slice("web", {Endpoint("10.1.0.1", "u1")}));
  state_.Publish();
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 tcp");
  EXPECT_EQ(mesh_.workloads.at("u1").inbound.at(0).protocol, Protocol::kTcp);
}

TEST_F(ClusterStateTest, TheLocalityOfANodeIsKnown) {
  EXPECT_EQ(state_.LocalityOf("n1"), "");
  state_.PutNode({"", "n1"}, Parse(R"({"metadata":{"labels":{
      "topology.kubernetes.io/region":"eu","topology.kubernetes.io/zone":"eu-1"}}})"));
  EXPECT_EQ(state_.LocalityOf("n1"), "eu/eu-1");
}

TEST_F(ClusterStateTest, WhatIsRemovedIsRemoved) {
  state_.Publish();
  PutWeb();
  state_.PutService({"shop", "web"}, Parse(R"({"spec":{"type":"ExternalName"}})"));
  EXPECT_TRUE(mesh_.services.empty());
  EXPECT_EQ(Text("u1"), "10.1.0.1");
  state_.PutService({"shop", "web"}, WebService());
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
  state_.RemoveSlice({"shop", "web-a"});
  EXPECT_EQ(Text("u1"), "10.1.0.1");
  state_.RemovePod({"shop", "web-1"});
  EXPECT_EQ(Text("u1"), "none");
  state_.RemoveService({"shop", "web"});
  EXPECT_TRUE(mesh_.empty());
}

TEST_F(ClusterStateTest, AChangeCostsWhatItTouches) {
  state_.Publish();
  for (int i = 0; i < 200; ++i) {
    const std::string name = absl::StrCat("s", i), uid = absl::StrCat("u", i);
    state_.PutService({"shop", name}, WebService());
    state_.PutPod({"shop", name}, Pod(uid, "web", absl::StrCat("10.1.0.", i)));
    state_.PutSlice({"shop", name}, Slice(name, {Endpoint(absl::StrCat("10.1.0.", i), uid)}));
  }
  mesh_.puts = mesh_.removals = 0;
  state_.PutSlice({"shop", "s7"}, Slice("s7", {Endpoint("10.1.0.7", "u7", R"({"ready":false})")}));
  EXPECT_EQ(mesh_.puts, 1);
  // Nodes report themselves all the time.
  state_.PutNode({"", "n1"}, Parse("{}"));
  EXPECT_EQ(mesh_.puts, 1);
}

// Its owner may write slices of its namespace, and would claim the address of another.
TEST_F(ClusterStateTest, APodIsAtItsPodIpWhateverAnEndpointSliceSays) {
  state_.Publish();
  PutWeb();
  state_.PutService({"shop", "own"}, WebService());
  state_.PutSlice({"shop", "a"}, Slice("own", {Endpoint("192.0.2.9", "u1")}));
  EXPECT_EQ(Text("u1"), "10.1.0.1 shop/own:80->8080 http shop/web:80->8080 http");
  state_.PutPod({"shop", "web-1"}, Pod("u1", "web", "<none>"));
  EXPECT_EQ(Text("u1"), "");
  state_.PutPod({"shop", "web-1"}, Pod("u1", "", "<none>"));
  EXPECT_EQ(Text("u1"), "none");
}

// Its address may be that of the next pod.
TEST_F(ClusterStateTest, APodThatHasEndedHasNoAddress) {
  state_.Publish();
  PutWeb();
  Json ended = Pod("u1", "web");
  ended["conditions"] = Parse(R"([{"type":"Completed","status":"True"}])");
  state_.PutPod({"shop", "web-1"}, ended);
  EXPECT_EQ(Text("u1"), "");
}

// One slice may hold 1,000 endpoints, and a namespace many slices.
TEST_F(ClusterStateTest, EqualAddressesCostNoProduct) {
  state_.Publish();
  state_.PutService({"shop", "own"}, WebService());
  const auto by_hand = [&](int i) {
    state_.PutSlice({"shop", absl::StrCat("own-", i)}, Slice("own", {Endpoint("10.1.0.1", "")}));
  };
  std::vector<Json> equal;
  for (int i = 0; i < 500; ++i) {
    const std::string uid = absl::StrCat("u", i);
    state_.PutPod({"shop", uid}, Pod(uid, "web", absl::StrCat("10.1.", i / 250, ".", i % 250)));
    equal.push_back(Endpoint("10.1.0.1", uid));
  }
  state_.PutSlice({"shop", "many"}, Slice("own", equal));
  mesh_.puts = mesh_.removals = 0;
  by_hand(0);  // is that of the pod u1
  EXPECT_EQ(mesh_.puts, 1);
  for (int i = 1; i < 500; ++i) by_hand(i);
  EXPECT_EQ(mesh_.puts, 500);
  // As many were written for an address where no pod is.
  state_.PutPod({"shop", "u1"}, Pod("u1", "web", "10.1.9.9"));
  mesh_.puts = mesh_.removals = 0;
  state_.PutPod({"shop", "u1"}, Pod("u1", "web", "10.1.9.8"));
  EXPECT_EQ(mesh_.puts, 1);
  by_hand(500);
  EXPECT_LE(mesh_.puts, 2 + static_cast<int>(SliceIndex::kMostByHandAtAddress));
  int there = 0;
  for (const auto& [id, workload] : mesh_.workloads) there += workload.address == "10.1.0.1";
  EXPECT_LE(there, 1 + static_cast<int>(SliceIndex::kMostByHandAtAddress));
  // None of them is left in plaintext when the pod comes.
  state_.PutPod({"shop", "u1"}, Pod("u1", "web", "10.1.0.1"));
  for (const auto& [id, workload] : mesh_.workloads) {
    EXPECT_TRUE(workload.address != "10.1.0.1" || workload.is_meshed) << id;
  }
}

TEST_F(ClusterStateTest, AStatusThatChangesNothingIsNotReported) {
  state_.Publish();
  PutWeb();
  mesh_.puts = 0;
  Json pod = Pod("u1", "web");
  pod["cells"]["Ready"] = "1/1";
  state_.PutPod({"shop", "web-1"}, pod);
  EXPECT_EQ(mesh_.puts, 0);
}

TEST_F(ClusterStateTest, ThePodIpCountsOfTwoIpVersions) {
  state_.Publish();
  PutWeb();
  Json slice = Slice("web", {Endpoint("fd00::1", "u1")});
  slice["addressType"] = "IPv6";
  for (const char* name : {"web-0", "web-z"}) {
    state_.PutSlice({"shop", name}, slice);
    EXPECT_EQ(Text("u1"), "10.1.0.1 shop/web:80->8080 http");
    EXPECT_TRUE(mesh_.workloads.at("u1").interception->has_ipv6);
    state_.RemoveSlice({"shop", name});
  }
}

TEST(ProtocolTest, IsThatOfIstio) {
  EXPECT_EQ(ProtocolOf("", "http"), Protocol::kHttp);
  EXPECT_EQ(ProtocolOf("", "http-web"), Protocol::kHttp);
  EXPECT_EQ(ProtocolOf("", "http2-web"), Protocol::kGrpc);
  EXPECT_EQ(ProtocolOf("", "grpc-web"), Protocol::kHttp);
  EXPECT_EQ(ProtocolOf("", "grpc-api"), Protocol::kGrpc);
  EXPECT_EQ(ProtocolOf("", "https"), Protocol::kTcp);
  EXPECT_EQ(ProtocolOf("", "httpbin"), Protocol::kAuto);
  EXPECT_EQ(ProtocolOf("", ""), Protocol::kAuto);
  EXPECT_EQ(ProtocolOf("kubernetes.io/h2c", "http"), Protocol::kGrpc);
  EXPECT_EQ(ProtocolOf("example.com/own", "tcp-x"), Protocol::kTcp);
}

TEST(ObjectsTest, MalformedObjectsAreHarmless) {
  for (const char* text :
       {"null", "[]", "7", R"({"spec":7,"metadata":7,"endpoints":7,"ports":7})",
        R"({"spec":{"ports":[7,{"port":"80"},{"port":70000},{"port":1,"protocol":"UDP"}]},
            "metadata":{"labels":{"kubernetes.io/service-name":"a"}},
            "endpoints":[7,{},{"addresses":7},{"addresses":[7]}],"ports":[null]})"}) {
    const Json json = Parse(text);
    EXPECT_FALSE(ReadService(json).has_value()) << text;
    const auto slice = ReadSlice({"n", "s"}, json);
    EXPECT_TRUE(!slice || slice->endpoints.empty()) << text;
    EXPECT_TRUE(ReadPod({"n", "p"}, json).account.empty()) << text;
    EXPECT_EQ(ReadNode(json), NodeFacts()) << text;
    EXPECT_FALSE(IsInjected(json)) << text;
  }
}

Json NodeAt(const std::string& address) { return {{"cells", {{"Internal-IP", address}}}}; }

// A pod with hostNetwork has the address of its node, and so have those of other namespaces.
TEST_F(ClusterStateTest, NoPodIsMeshedAtTheAddressOfANode) {
  state_.PutNode({"", "n1"}, NodeAt("10.1.0.1"));
  state_.Publish();
  PutWeb();
  EXPECT_FALSE(mesh_.workloads.at("u1").is_meshed);
  EXPECT_EQ(mesh_.workloads.at("u1").spiffe_id, "");
  state_.PutNode({"", "n1"}, NodeAt("10.1.0.9"));
  EXPECT_TRUE(mesh_.workloads.at("u1").is_meshed);
  state_.PutNode({"", "n2"}, NodeAt("10.1.0.1"));
  EXPECT_FALSE(mesh_.workloads.at("u1").is_meshed);
  state_.RemoveNode({"", "n2"});
  EXPECT_TRUE(mesh_.workloads.at("u1").is_meshed);
}

}  // namespace
}  // namespace tulle::kubernetes
