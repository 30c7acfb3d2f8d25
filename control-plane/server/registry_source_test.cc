#include "control-plane/server/registry_source.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "certs/private_key.h"
#include "control-plane/store/sqlite_store.h"
#include "net/loop/sim/simulation.h"

namespace tulle::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The mesh, as far as a source writes into it.
class FakeMesh final : public discovery::MeshSink {
 public:
  void PutWorkload(discovery::Workload workload) override { ids.insert(workload.id); }
  void RemoveWorkload(const std::string& id) override { ids.erase(id); }
  void PutService(const discovery::ServiceName&, discovery::DeclaredService) override {}
  void RemoveService(const discovery::ServiceName&) override {}
  void SetPolicies(policy::PolicySet) override {}
  void PutPolicy(std::shared_ptr<const policy::Document>) override {}
  void RemovePolicy(const policy::DocumentKey&) override {}
  void OnChange() override { ++changes; }

  std::set<std::string> ids;
  int changes = 0;
};

class RegistrySourceTest : public testing::Test {
 protected:
  RegistrySourceTest() : loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}))) {
    source_ = std::make_unique<RegistrySource>(registry::Registry::Options(), *loop_, *store_,
                                               keys_, log_, mesh_);
    EXPECT_TRUE(source_->Restore([](const std::string&) {}).ok());
  }
  absl::Status TryRegister(const std::string& id, const std::string& note = "") {
    discovery::Workload workload;
    workload.id = id;
    workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + id;
    workload.address = "10.0.0.1";
    workload.services = {{"default", id}};
    workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
    if (!note.empty()) workload.metadata["note"] = note;
    return source_->Register(std::move(workload), std::nullopt).status();
  }
  void Register(const std::string& id, const std::string& note = "") {
    EXPECT_TRUE(TryRegister(id, note).ok());
  }
  std::set<std::string> Stored() {
    std::set<std::string> ids;
    const auto leases = registry::LoadLeases(store_.get());
    EXPECT_TRUE(leases.ok());
    for (const registry::Lease& lease : leases->leases) ids.insert(lease.workload.id);
    return ids;
  }

  using Ids = std::set<std::string>;
  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<store::SqliteStore> store_ = *store::SqliteStore::Open(":memory:");
  certs::SeededKeySource keys_{1};
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  FakeMesh mesh_;
  std::unique_ptr<RegistrySource> source_;
};

// Every sidecar learns the ids of the endpoints that it calls.
TEST_F(RegistrySourceTest, AnIdOfAnotherSourceIsRefused) {
  source_->SetOtherSource([](const discovery::Workload& workload) {
    return workload.id == "pod" ? absl::PermissionDeniedError("a pod") : absl::OkStatus();
  });
  const absl::Status refused = TryRegister("pod");
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_TRUE(mesh_.ids.empty());
  Register("a");
  EXPECT_EQ(mesh_.ids, Ids{"a"});
}

TEST_F(RegistrySourceTest, TheFirstOfABurstIsStoredAtOnceAndTheRestTogether) {
  Register("a");
  EXPECT_EQ(Stored(), Ids{"a"});
  Register("b");
  Register("c");
  EXPECT_EQ(Stored(), Ids{"a"});
  EXPECT_EQ(mesh_.ids, (Ids{"a", "b", "c"})) << "the mesh does not wait";
  EXPECT_EQ(mesh_.changes, 3);
  simulation_.RunFor(milliseconds(60));
  EXPECT_EQ(Stored(), (Ids{"a", "b", "c"}));
}

TEST_F(RegistrySourceTest, WhatAFullDiskRefusesIsTriedAgain) {
  Register("a");
  simulation_.RunFor(seconds(1));
  ASSERT_TRUE(store_->LimitPagesForTest(1).ok());
  Register("b", std::string(8000, 'x'));
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(Stored(), Ids{"a"});
  EXPECT_TRUE(mesh_.ids.contains("b")) << "it is in the mesh all the same";
  ASSERT_TRUE(store_->LimitPagesForTest(1000).ok());
  source_->Advance();
  EXPECT_EQ(Stored(), (Ids{"a", "b"}));
}

TEST_F(RegistrySourceTest, WhatIsUnsavedAtTheEndIsSaved) {
  Register("a");
  Register("b");
  source_.reset();
  EXPECT_EQ(Stored(), (Ids{"a", "b"}));
}

}  // namespace
}  // namespace tulle::server
