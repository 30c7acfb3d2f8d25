#include <gtest/gtest.h>

#include "control-plane/discovery/known_services.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/policy/parse.h"

namespace tulle::discovery {
namespace {

Workload PostWorkload(const std::string& id, const std::string& address) {
  Workload workload;
  workload.id = id;
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + id;
  workload.address = address;
  workload.services = {{"default", "post"}};
  workload.inbound = {{15080, 8080, 80, Protocol::kHttp}, {15090, 9090, 9090, Protocol::kGrpc}};
  workload.outbound.http_port = 15001;
  workload.outbound.tcp = {{{"default", "db"}, 5432, 15432}};
  workload.metadata = {{"version", "v1"}};
  return workload;
}

Mesh MeshOf(const std::vector<Workload>& workloads) {
  Mesh mesh;
  for (const Workload& workload : workloads) mesh.workloads[workload.id] = workload;
  return mesh;
}

TEST(WorkloadJson, ReadsBackToTheSameWorkload) {
  const Workload workload = PostWorkload("post-1", "192.0.2.1");
  const auto again = WorkloadFromJson(WorkloadToJson(workload));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, workload);
  EXPECT_TRUE(CheckWorkload(*again).ok());
}

TEST(WorkloadJson, BadRecordsAreRefused) {
  for (const char* json :
       {"", "{", "[]", "{\"id\":1}", "{\"id\":\"a\",\"address\":\"::1\",\"services\":[\"A\"]}",
        "{\"id\":\"a\",\"address\":\"::1\",\"inbound\":[{\"listenPort\":1}]}"}) {
    EXPECT_FALSE(WorkloadFromJson(json).ok()) << json;
  }
  Workload workload = PostWorkload("post-1", "post.example");
  EXPECT_FALSE(CheckWorkload(workload).ok());
  workload = PostWorkload("post-1", "192.0.2.1");
  workload.inbound[1].listen_port = workload.inbound[0].listen_port;
  EXPECT_FALSE(CheckWorkload(workload).ok());
  workload = PostWorkload("post-1", "192.0.2.1");
  workload.outbound.tcp[0].listen_port = 15001;
  EXPECT_FALSE(CheckWorkload(workload).ok());
  workload = PostWorkload("", "192.0.2.1");
  EXPECT_FALSE(CheckWorkload(workload).ok());
}

TEST(WorkloadJson, WhatAWorkloadSaysOfItselfIsBounded) {
  const auto is_good = [](const std::map<std::string, std::string>& metadata) {
    Workload workload = PostWorkload("post-1", "192.0.2.1");
    workload.metadata = metadata;
    return CheckWorkload(workload).ok();
  };
  std::map<std::string, std::string> many;
  for (int i = 0; i < 64; ++i) many["name-" + std::to_string(i)] = "v";
  EXPECT_TRUE(is_good(many));
  many["one-more"] = "v";
  EXPECT_FALSE(is_good(many));
  EXPECT_TRUE(is_good({{"note", std::string(8188, 'x')}}));
  EXPECT_FALSE(is_good({{"note", std::string(8189, 'x')}}));
  EXPECT_TRUE(is_good({{"app.kubernetes.io/name", "K\u00f6ln, 2nd floor"}}));
  EXPECT_FALSE(is_good({{"", "v"}}));
  EXPECT_FALSE(is_good({{"a\nb", "v"}}));
  EXPECT_FALSE(is_good({{"a", "v\x1b[2J"}}));
  EXPECT_FALSE(CheckWorkload(PostWorkload("post\n1", "192.0.2.1")).ok());
}

TEST(WorkloadJson, PortsThatAreNoneAreRefusedWhereverTheyStand) {
  Workload workload = PostWorkload("post-1", "192.0.2.1");
  workload.inbound[0].dialled_port = 65535;
  EXPECT_TRUE(CheckWorkload(workload).ok());
  workload.inbound[0].dialled_port = 70000;
  EXPECT_FALSE(CheckWorkload(workload).ok());
  workload = PostWorkload("post-1", "192.0.2.1");
  workload.outbound.http_port = 70000;
  EXPECT_FALSE(CheckWorkload(workload).ok());
}

TEST(WorkloadJson, TransparentWorkloadsNeedNoOtherPorts) {
  Workload workload;
  workload.id = "web-1";
  workload.address = "127.0.0.1";
  workload.services = {{"default", "web"}};
  workload.inbound = {{8080, 8080, 80, Protocol::kAuto}};
  workload.inbound[0].is_skipped = true;
  EXPECT_FALSE(CheckWorkload(workload).ok()) << "an explicit one needs its own";
  workload.interception = Interception{15001, 15006, true};
  EXPECT_TRUE(CheckWorkload(workload).ok());
  const auto read = WorkloadFromJson(WorkloadToJson(workload));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, workload);

  workload.inbound[0].listen_port = 18080;
  EXPECT_FALSE(CheckWorkload(workload).ok());
  workload.inbound[0].listen_port = workload.inbound[0].application_port = 15006;
  EXPECT_FALSE(CheckWorkload(workload).ok()) << "the sidecar's own";
  workload.inbound.clear();
  workload.interception->inbound_port = 15001;
  EXPECT_FALSE(CheckWorkload(workload).ok());
}

TEST(ServiceTable, JoinsTheInstancesOfAService) {
  const Mesh mesh = MeshOf({PostWorkload("b", "192.0.2.1"), PostWorkload("a", "192.0.2.2"),
                            PostWorkload("c", "192.0.2.1")});
  const ServiceTable table = BuildServiceTable(mesh);
  const Service& post = table.at({"default", "post"});
  EXPECT_EQ(post.identities.size(), 3);
  EXPECT_EQ(post.DefaultHttpPort(), 80);
  ASSERT_EQ(post.ports.at(80).endpoints.size(), 2);
  EXPECT_EQ(post.ports.at(80).endpoints[0].workload->id, "b");  // c claims the same address
  EXPECT_EQ(post.ports.at(80).endpoints[0].port, 15080);
  EXPECT_EQ(post.ports.at(9090).protocol, Protocol::kGrpc);
  const Service& db = table.at({"default", "db"});
  EXPECT_TRUE(db.ports.at(5432).endpoints.empty());
  EXPECT_EQ(db.DefaultHttpPort(), 0);
}

TEST(ServiceTable, ServicesNamedByRoutesAreThere) {
  Mesh mesh;
  const auto parsed = policy::ParseDocuments(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: post}\n"
      "spec: {parentRefs: [{kind: Service, name: post}], "
      "rules: [{backendRefs: [{name: post-v1, port: 80}]}]}\n",
      "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  mesh.policies.Upsert(parsed.documents[0]);
  const ServiceTable table = BuildServiceTable(mesh);
  EXPECT_EQ(table.at({"default", "post"}).DefaultHttpPort(), 80);
  EXPECT_TRUE(table.at({"default", "post-v1"}).ports.at(80).endpoints.empty());
  EXPECT_TRUE(KnownServicesOf(mesh).empty()) << "nobody serves them";
}

TEST(KnownServices, AreWhatWorkloadsServe) {
  Workload other = PostWorkload("b", "192.0.2.2");
  other.inbound[0].protocol = Protocol::kTcp;
  const Mesh mesh = MeshOf({other, PostWorkload("a", "192.0.2.1")});
  const policy::KnownServices expected = {
      {{"default", "post"}, {{{80, Protocol::kHttp}, {9090, Protocol::kGrpc}}}}};
  EXPECT_EQ(KnownServicesOf(mesh), expected) << "as the service table: the first declares";
}

TEST(ServiceTable, Hosts) { EXPECT_EQ(HostOf({"shop", "post"}), "post.shop.svc.cluster.local"); }

}  // namespace
}  // namespace tulle::discovery
