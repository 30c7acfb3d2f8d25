// Whatever the parser takes, every sidecar takes what BuildSnapshot makes of it: all routes of an
// explicit listener are one resource, so that a single one that is refused would freeze the routing
// of the whole mesh.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "certs/testing/fixtures.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/parse.h"
#include "control-plane/policy/policy_index.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot_loader.h"
#include "tests/policies/policy_generator.h"

namespace tulle::policies {
namespace {

using config::ResourceKind;
using discovery::Mesh;
using discovery::Workload;
using policy::Protocol;

constexpr char kExplicit[] = "post-1";
constexpr char kTransparent[] = "user-1";

Workload NewWorkload(const std::string& id, const std::string& address,
                     const std::vector<std::string>& services) {
  Workload workload;
  workload.id = id;
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + id;
  workload.address = address;
  for (const std::string& service : services) workload.services.push_back({"default", service});
  return workload;
}

// One workload with explicit listeners, one whose connections are redirected, ports of every kind.
Mesh NewMesh(const std::string& roots) {
  Mesh mesh;
  mesh.trust_bundle_pem = roots;
  Workload post = NewWorkload(kExplicit, "192.0.2.1", {"post", "cart"});
  post.locality = "eu-west/a";
  post.inbound = {{15080, 8080, 80, Protocol::kHttp},
                  {15090, 9090, 9090, Protocol::kGrpc},
                  {16379, 6379, 6379, Protocol::kTcp}};
  post.outbound.http_port = 15001;
  post.outbound.tcp = {{{"default", "redis"}, 6379, 26379}};
  Workload user = NewWorkload(kTransparent, "192.0.2.2", {"user", "redis"});
  user.locality = "eu-north/b/r2";
  user.inbound = {{8080, 8080, 80, Protocol::kAuto},
                  {8081, 8081, 81, Protocol::kHttp},
                  {9090, 9090, 9090, Protocol::kGrpc},
                  {6379, 6379, 6379, Protocol::kTcp}};
  user.interception.emplace().has_ipv6 = true;
  mesh.workloads = {{post.id, post}, {user.id, user}};
  return mesh;
}

void AddVips(Mesh* mesh) {
  std::set<std::string> hosts;
  for (const auto& [name, service] : discovery::BuildServiceTable(*mesh)) {
    hosts.insert(discovery::HostOf(name));
  }
  for (const policy::Document* document : mesh->policies.ExternalServices()) {
    hosts.insert(std::get<policy::ExternalService>(document->spec).hosts[0]);
  }
  for (const std::string& host : hosts) {
    mesh->vips[host] = absl::StrCat("240.240.0.", mesh->vips.size() + 1);
  }
}

// A sidecar as far as its configuration goes: it lives on from one snapshot to the next.
class Sidecar {
 public:
  explicit Sidecar(const certs::testing::TestIdentity& own) {
    envoy::extensions::transport_sockets::tls::v3::Secret secret;
    secret.set_name("default");
    secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string(
        own.ChainPem());
    secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string(own.key.ToPem());
    Put(ResourceKind::kSecret, "default", secret.SerializeAsString());
  }

  // What it refuses, and what it would wait for in vain; empty: all is in use.
  std::string Load(const snapshot::Snapshot& built) {
    refused_.clear();
    for (const ResourceKind kind :
         {ResourceKind::kListener, ResourceKind::kRoute, ResourceKind::kCluster}) {
      RemoveOthers(kind, *built.TableOf(config::TypeUrlOf(kind)));
    }
    for (const ResourceKind kind :
         {ResourceKind::kSecret, ResourceKind::kCluster, ResourceKind::kEndpoints,
          ResourceKind::kRoute, ResourceKind::kListener}) {
      for (const auto& [name, resource] : *built.TableOf(config::TypeUrlOf(kind))) {
        Put(kind, name, resource->bytes);
        had_[kind].insert(name);
      }
    }
    for (const auto& cluster : loader_.dns_clusters()) {
      envoy::config::endpoint::v3::ClusterLoadAssignment nobody;
      nobody.set_cluster_name(cluster->eds_name);
      Put(ResourceKind::kEndpoints, cluster->eds_name, nobody.SerializeAsString());
    }
    loader_.Current();
    if (loader_.is_waiting()) refused_ += "something waits for what does not come\n";
    return refused_;
  }

 private:
  void Put(ResourceKind kind, const std::string& name, const std::string& bytes) {
    const auto status = loader_.Put(kind, name, bytes, config::Origin::kDynamic);
    if (!status.ok()) absl::StrAppend(&refused_, status.message(), "\n");
  }

  void RemoveOthers(ResourceKind kind, const snapshot::ResourceTable& now) {
    for (const std::string& name : had_[kind]) {
      if (!now.contains(name)) loader_.Remove(kind, name);
    }
    had_[kind].clear();
  }

  config::SnapshotLoader loader_{tls::TlsTransports()};
  std::map<ResourceKind, std::set<std::string>> had_;
  std::string refused_;
};

class LoaderTest : public ::testing::Test {
 protected:
  // What the sidecars refuse of a mesh with these policies.
  std::string RefusedOf(const policy::PolicySet& policies) {
    Mesh mesh = mesh_;
    mesh.policies = policies;
    AddVips(&mesh);
    snapshot::SnapshotFactory factory(std::make_shared<const Mesh>(std::move(mesh)));
    return post_.Load(factory.Build({kExplicit})) + user_.Load(factory.Build({kTransparent}));
  }

  certs::testing::TestCa ca_;
  Mesh mesh_ = NewMesh(ca_.Bundle().ToPem());
  Sidecar post_{ca_.Workload("post")};
  Sidecar user_{ca_.Workload("user")};
};

// Adds what the parser takes and no other policy has claimed; returns whether it did.
bool Add(const Json& json, policy::PolicySet* policies) {
  const policy::ParsedFile parsed = policy::ParseDocuments(json.dump(), "generated");
  if (!parsed.ok()) return false;
  policy::PolicySet with = *policies;
  with.Upsert(parsed.documents[0]);
  if (!with.FindConflicts(parsed.documents, "generated").empty()) return false;
  *policies = std::move(with);
  return true;
}

TEST_F(LoaderTest, WholeDocumentsAreTaken) {
  for (const Json& document : WholeDocuments()) {
    policy::PolicySet policies;
    ASSERT_TRUE(Add(document, &policies)) << document;
    EXPECT_EQ(RefusedOf(policies), "") << document;
  }
}

// Those that the parser takes, each once however it is written.
std::vector<Json> TakenVersionsOf(const Json& whole) {
  std::vector<Json> taken;
  std::set<std::string> seen;
  for (const Json& document : OddVersionsOf(whole)) {
    policy::ParsedFile parsed = policy::ParseDocuments(document.dump(), "generated");
    if (!parsed.ok()) continue;
    // No sidecar sees them.
    parsed.documents[0].labels.clear();
    parsed.documents[0].annotations.clear();
    if (seen.insert(policy::ToJson(parsed.documents[0])).second) taken.push_back(document);
  }
  return taken;
}

TEST_F(LoaderTest, EveryOddValueInEveryField) {
  std::vector<std::vector<Json>> waiting;
  size_t left = 0;
  for (const Json& whole : WholeDocuments()) {
    waiting.push_back(TakenVersionsOf(whole));
    left += waiting.back().size();
  }
  EXPECT_GT(left * kStride, 1000) << "the parser takes little of it";
  while (left > 0) {
    // As many as have targets of their own make one mesh.
    policy::PolicySet policies;
    std::string texts;
    for (std::vector<Json>& queue : waiting) {
      if (queue.empty() || !Add(queue.back(), &policies)) continue;
      absl::StrAppend(&texts, queue.back().dump(), "\n");
      queue.pop_back();
      --left;
    }
    ASSERT_NE(texts, "");
    EXPECT_EQ(RefusedOf(policies), "") << texts;
  }
}

TEST_F(LoaderTest, AllowAndDenyOfOneService) {
  policy::PolicySet policies;
  for (const Json& document : WholeDocuments()) {
    if (document["kind"] != "AuthorizationPolicy") continue;
    ASSERT_TRUE(Add(document, &policies)) << document;
  }
  EXPECT_EQ(policy::PolicyIndex(policies).AuthorizationsOf({"default", "post"}).size(), 3);
  EXPECT_EQ(RefusedOf(policies), "");
}

TEST_F(LoaderTest, GeneratedPoliciesTogether) {
  for (uint64_t seed = 0; seed < 200; seed += kStride) {
    PolicyGenerator generator(seed);
    policy::PolicySet policies;
    std::string texts;
    for (int i = 0; i < 24; ++i) {
      Json document = generator.Next();
      document["metadata"]["name"] = absl::StrCat("p", i);
      if (Add(document, &policies)) absl::StrAppend(&texts, document.dump(), "\n");
    }
    ASSERT_EQ(RefusedOf(policies), "") << "seed " << seed << "\n" << texts;
  }
}

}  // namespace
}  // namespace tulle::policies
