// Changes that touch more services than one turn of the loop serves: in slices, in an order that
// clients can use, ending with what a full build gives.
#include "control-plane/server/mesh_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/policy/parse.h"
#include "control-plane/snapshot/testing/build_snapshot.h"
#include "control-plane/store/sqlite_store.h"
#include "net/loop/sim/simulation.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

constexpr size_t kSlice = 16;  // as in mesh_builder.cc
constexpr int kServices = 40;

std::string ServiceOf(int number) { return "s" + std::to_string(100 + number); }

discovery::Workload NewWorkload(int number) {
  discovery::Workload workload;
  workload.id = ServiceOf(number) + "-1";
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + ServiceOf(number);
  workload.address = "10.1.0." + std::to_string(number);
  workload.services = {{"default", ServiceOf(number)}};
  workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
  workload.outbound.http_port = 15001;
  return workload;
}

policy::PolicySet MeshTelemetry(const std::string& format) {
  const policy::ParsedFile parsed = policy::ParseDocuments(
      "apiVersion: tulle.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {name: t}\n"
      "spec: {targetRef: {kind: Mesh}, accessLog: {format: " +
          format + "}}\n",
      "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems);
  policy::PolicySet set;
  set.Upsert(parsed.documents.at(0));
  return set;
}

class MeshBuilderTest : public testing::Test {
 protected:
  struct Slice {
    std::set<std::string> services;
    bool routes;
  };

  MeshBuilderTest() : loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}))) {
    builder_ = std::make_unique<MeshBuilder>(MeshBuilder::Options{"cluster.local", ""}, *loop_,
                                             *vips_, log_);
    for (int i = 0; i < kServices; ++i) builder_->PutWorkload(NewWorkload(i));
    builder_->SetTrustBundle("roots");
    builder_->Start();
    builder_->SetObserver([this](const MeshUpdate& update) {
      Slice slice{{}, update.mesh.routes};
      for (const auto& [name, scope] : update.mesh.services) slice.services.insert(name.name);
      slices_.push_back(std::move(slice));
    });
    simulation_.RunFor(std::chrono::seconds(1));
  }
  void ExpectFullBuild() {
    ASSERT_TRUE(builder_->is_up_to_date());
    snapshot::SnapshotFactory whole(std::make_shared<const discovery::Mesh>(builder_->mesh()));
    for (const bool is_on_demand : {false, true}) {
      const snapshot::NodeView view{ServiceOf(1) + "-1", is_on_demand};
      const snapshot::Snapshot expected = whole.Build(view);
      const snapshot::NodeResources node(builder_->shared(), builder_->own(), view);
      for (const std::string_view type : xds::kTypesInOrder) {
        const snapshot::ResourceTable table = node.TableOf(type);
        const snapshot::ResourceTable& wanted = *expected.TableOf(type);
        ASSERT_EQ(table.size(), wanted.size()) << type;
        for (const auto& [name, resource] : wanted) {
          ASSERT_TRUE(table.contains(name)) << name;
          EXPECT_EQ(table.at(name)->version, resource->version) << name;
        }
      }
    }
  }
  // The first and the last slice with one of these services.
  std::pair<size_t, size_t> TurnsOf(int from, int to) const {
    std::pair<size_t, size_t> turns{slices_.size(), 0};
    for (size_t i = 0; i < slices_.size(); ++i) {
      for (int number = from; number < to; ++number) {
        if (!slices_[i].services.contains(ServiceOf(number))) continue;
        turns.first = std::min(turns.first, i);
        turns.second = std::max(turns.second, i);
      }
    }
    return turns;
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<store::SqliteStore> store_ = *store::SqliteStore::Open(":memory:");
  std::unique_ptr<discovery::VipBook> vips_ = *discovery::VipBook::Open(store_.get());
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::unique_ptr<MeshBuilder> builder_;
  std::vector<Slice> slices_;
};

TEST_F(MeshBuilderTest, AChangeOfAllServicesIsMadeInSlices) {
  builder_->SetPolicies(MeshTelemetry("json"));
  builder_->OnChange();
  EXPECT_FALSE(builder_->is_up_to_date());
  simulation_.RunFor(std::chrono::seconds(1));
  ASSERT_EQ(slices_.size(), (kServices + kSlice - 1) / kSlice);
  std::set<std::string> all;
  for (const Slice& slice : slices_) {
    EXPECT_LE(slice.services.size(), kSlice);
    all.insert(slice.services.begin(), slice.services.end());
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(kServices)) << "each once, none left out";
  ExpectFullBuild();
}

TEST_F(MeshBuilderTest, NewServicesComeBeforeChangedOnesAndThoseThatAreGoneComeLast) {
  for (int i = 0; i < 20; ++i) builder_->RemoveWorkload(ServiceOf(i) + "-1");
  for (int i = kServices; i < kServices + 30; ++i) builder_->PutWorkload(NewWorkload(i));
  builder_->SetPolicies(MeshTelemetry("json"));  // touches all that are there
  builder_->OnChange();
  simulation_.RunFor(std::chrono::seconds(1));
  const auto fresh = TurnsOf(kServices, kServices + 30);
  const auto changed = TurnsOf(20, kServices);
  const auto gone = TurnsOf(0, 20);
  EXPECT_GT(fresh.second, fresh.first) << "more than one slice";
  EXPECT_LE(fresh.second, changed.first);
  EXPECT_LE(changed.second, gone.first);
  // Routes that name a new service do not come before its cluster.
  for (size_t i = 0; i < slices_.size(); ++i) {
    EXPECT_EQ(slices_[i].routes, i == fresh.second) << "slice " << i;
  }
  ExpectFullBuild();
}

TEST_F(MeshBuilderTest, AChangeInBetweenIsNotLost) {
  builder_->SetPolicies(MeshTelemetry("json"));
  builder_->OnChange();
  // In the middle of the slices: one that had its turn, one that waits, and one that leaves.
  builder_->RemoveWorkload(ServiceOf(0) + "-1");
  builder_->RemoveWorkload(ServiceOf(kServices - 1) + "-1");
  discovery::Workload other = NewWorkload(kServices - 2);
  other.inbound[0].service_port = 8080;
  builder_->PutWorkload(other);
  builder_->OnChange();
  builder_->SetPolicies(MeshTelemetry("istio"));
  builder_->OnChange();
  builder_->BuildNow();
  EXPECT_FALSE(builder_->is_up_to_date());
  simulation_.RunFor(std::chrono::seconds(1));
  for (const Slice& slice : slices_) EXPECT_LE(slice.services.size(), kSlice);
  ExpectFullBuild();
}

}  // namespace
}  // namespace tulle::server
