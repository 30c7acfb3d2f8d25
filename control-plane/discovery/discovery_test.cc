#include <gtest/gtest.h>

#include "control-plane/discovery/known_services.h"
#include "control-plane/discovery/live_mesh.h"
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
  for (const char* address : {"0.0.0.0", "::", "web", ""})
    EXPECT_FALSE(CheckWorkload(PostWorkload("post-1", address)).ok()) << address;
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

// Of two services with ports of their own.
Workload PodWorkload() {
  Workload pod = PostWorkload("pod-1", "192.0.2.7");
  pod.services = {{"default", "post"}, {"default", "admin"}};
  pod.inbound = {{8080, 8080, 80, Protocol::kHttp}, {9090, 9090, 90, Protocol::kTcp}};
  pod.serves = {{{"default", "post"}, 80, 8080, Protocol::kHttp},
                {{"default", "admin"}, 90, 9090, Protocol::kTcp}};
  pod.outbound = {};
  return pod;
}

TEST(ServiceTable, ServicesOfAWorkloadMayHavePortsOfTheirOwn) {
  Workload pod = PodWorkload();
  pod.inbound[1].is_skipped = true;
  const ServiceTable table = BuildServiceTable(MeshOf({pod}));
  const Service& post = table.at({"default", "post"});
  ASSERT_EQ(post.ports.size(), 1u);
  EXPECT_EQ(post.ports.at(80).endpoints[0].port, 8080u);
  EXPECT_TRUE(post.ports.at(80).endpoints[0].is_meshed);
  const Service& admin = table.at({"default", "admin"});
  ASSERT_EQ(admin.ports.size(), 1u);
  EXPECT_EQ(admin.ports.at(90).protocol, Protocol::kTcp);
  EXPECT_FALSE(admin.ports.at(90).endpoints[0].is_meshed);
  EXPECT_EQ(KnownServicesOf(MeshOf({pod})).at({"default", "admin"}).ports.size(), 1u);
}

TEST(LiveMesh, ADeclaredServiceIsKnownWithoutWorkloads) {
  LiveMesh mesh("cluster.local", "");
  const ServiceName post{"default", "post"};
  mesh.PutService(post, {{{80, Protocol::kGrpc}, {81, Protocol::kTcp}}, "10.96.0.7"});
  EXPECT_TRUE(mesh.has_new_hosts());
  EXPECT_TRUE(mesh.Hosts().empty()) << "its address is not the mesh's to assign";
  mesh.SetVips({});
  EXPECT_EQ(mesh.TakeChanges().services.at(post), MeshChanges::Scope::kWhole);
  EXPECT_EQ(mesh.mesh().vips,
            (std::map<std::string, std::string>{{"post.default.svc.cluster.local", "10.96.0.7"}}));
  EXPECT_TRUE(mesh.services().at(post).ports.at(80).endpoints.empty());
  EXPECT_EQ(KnownServicesOf(mesh.mesh()).at(post).ports.size(), 2u);

  // The declaration decides on the protocol.
  mesh.PutWorkload(PodWorkload());
  mesh.SetVips({{"admin.default.svc.cluster.local", "240.240.0.1"},
                {"post.default.svc.cluster.local", "240.240.0.2"}});
  mesh.TakeChanges();
  EXPECT_EQ(mesh.services().at(post).ports.at(80).protocol, Protocol::kGrpc);
  EXPECT_EQ(mesh.services().at(post).ports.at(80).endpoints.size(), 1u);
  EXPECT_EQ(mesh.mesh().vips.at("post.default.svc.cluster.local"), "10.96.0.7");
  EXPECT_EQ(mesh.mesh().vips.at("admin.default.svc.cluster.local"), "240.240.0.1");
  // Unless a workload takes bytes.
  Workload opaque = PodWorkload();
  opaque.serves[0].protocol = opaque.inbound[0].protocol = Protocol::kTcp;
  mesh.PutWorkload(opaque);
  EXPECT_EQ(mesh.TakeChanges().services.at(post), MeshChanges::Scope::kWhole);
  EXPECT_EQ(mesh.services().at(post).ports.at(80).protocol, Protocol::kTcp);
  const ServiceTable whole = BuildServiceTable(mesh.mesh());
  ASSERT_EQ(whole.size(), mesh.services().size());
  EXPECT_EQ(whole.at(post).ports.size(), mesh.services().at(post).ports.size());

  mesh.PutService(post, {{{80, Protocol::kGrpc}, {81, Protocol::kTcp}}, "10.96.0.7"});
  EXPECT_TRUE(mesh.TakeChanges().services.empty()) << "nothing has changed";
  mesh.PutService(post, {{{80, Protocol::kGrpc}}, ""});
  mesh.SetVips({});
  EXPECT_EQ(mesh.TakeChanges().services.at(post), MeshChanges::Scope::kWhole);
  EXPECT_FALSE(mesh.mesh().vips.contains("post.default.svc.cluster.local"));
  mesh.RemoveWorkload("pod-1");
  mesh.RemoveService(post);
  mesh.TakeChanges();
  EXPECT_TRUE(mesh.services().empty());
}

TEST(LiveMesh, AWorkloadWithoutAnAddressIsAtNone) {
  LiveMesh mesh("cluster.local", "");
  Workload client = PodWorkload();
  client.address.clear();
  client.services.clear();
  client.serves.clear();
  mesh.PutWorkload(client);
  EXPECT_TRUE(mesh.mesh().workloads_at.empty());
  EXPECT_TRUE(mesh.mesh().workloads.contains("pod-1"));
  mesh.RemoveWorkload("pod-1");
}

}  // namespace
}  // namespace tulle::discovery
