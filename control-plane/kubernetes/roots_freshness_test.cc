#include "control-plane/kubernetes/roots_freshness.h"

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/fake_cluster_for_test.h"

namespace tulle::kubernetes {
namespace {

using std::chrono::seconds;

class RootsFreshnessTest : public FakeCluster {
 protected:
  RootsFreshnessTest() {
    server_->script = [this](Call& call) {
      EXPECT_EQ(call.path, "/api/v1/namespaces/tulle-system/secrets/tulle-ca");
      EXPECT_TRUE(absl::StrContains(call.accept, "as=PartialObjectMetadata")) << "no keys";
      ++asked_;
      if (is_down_) return call.Answer(500, "{}"), true;
      call.Answer(200, absl::StrCat(R"({"metadata":{"resourceVersion":")", version_, R"("}})"));
      return true;
    };
    freshness_.emplace(*loop_, *client_, log_, [this] { ++changes_; });
    client_->Start();
  }
  ~RootsFreshnessTest() override { freshness_.reset(); }

  void Start() {
    freshness_->Start();
    freshness_->OnAdopted("7");
    ASSERT_TRUE(Until([this] { return freshness_->is_current(); }));
  }

  std::string version_ = "7";
  bool is_down_ = false;
  int asked_ = 0;
  int changes_ = 0;
  std::optional<RootsFreshness> freshness_;
};

TEST_F(RootsFreshnessTest, StaysCurrentWhileTheApiServerConfirmsTheVersion) {
  freshness_->Start();
  simulation_.RunFor(seconds(5));
  EXPECT_FALSE(freshness_->is_current()) << "nothing was adopted yet";
  freshness_->OnAdopted("7");
  EXPECT_TRUE(freshness_->is_current());
  EXPECT_EQ(changes_, 1);
  const int before = asked_;
  EXPECT_FALSE(simulation_.RunUntil([this] { return !freshness_->is_current(); }, seconds(100)) ==
               sim::Simulation::Outcome::kConditionMet);
  EXPECT_EQ(changes_, 1);
  EXPECT_LE(asked_ - before, 51) << "one small read each two seconds";
}

TEST_F(RootsFreshnessTest, AnotherVersionCountsOnceItIsAdopted) {
  Start();
  version_ = "8";  // the watch is late
  ASSERT_TRUE(Until([this] { return !freshness_->is_current(); }));
  freshness_->OnAdopted("8");
  EXPECT_TRUE(freshness_->is_current());
  EXPECT_FALSE(freshness_->is_cut_off());
}

// What other replicas rely on: it does not act for longer than 8 s after its last question that was
// answered by the former version.
TEST_F(RootsFreshnessTest, IsOutdatedInTimeWhateverHappens) {
  Start();
  simulation_.RunFor(seconds(7));
  version_ = "8";
  const loop::Instant written = loop_->Now();
  ASSERT_TRUE(Until([this] { return !freshness_->is_current(); }));
  EXPECT_LE(loop_->Now() - written, RootsFreshness::kLasts);

  freshness_->OnAdopted("8");
  ASSERT_TRUE(Until([this] { return freshness_->is_current(); }));
  const loop::Instant down = loop_->Now();
  is_down_ = true;
  ASSERT_TRUE(Until([this] { return !freshness_->is_current(); }));
  EXPECT_LE(loop_->Now() - down, RootsFreshness::kLasts);
}

TEST_F(RootsFreshnessTest, IsCutOffUntilItHasCaughtUp) {
  Start();
  is_down_ = true;
  const int before = changes_;
  ASSERT_TRUE(Until([this] { return freshness_->is_cut_off(); }));
  EXPECT_TRUE(Until([&] { return changes_ == before + 2; })) << "outdated, then cut off";
  EXPECT_EQ(freshness_->times_cut_off(), 1u);
  version_ = "8";
  is_down_ = false;
  simulation_.RunFor(seconds(10));
  EXPECT_TRUE(freshness_->is_cut_off()) << "it has not read what was written meanwhile";
  freshness_->OnAdopted("8");
  EXPECT_FALSE(freshness_->is_cut_off());
  EXPECT_TRUE(freshness_->is_current());
  EXPECT_EQ(changes_, before + 3);
  simulation_.RunFor(seconds(100));
  EXPECT_EQ(freshness_->times_cut_off(), 1u);
}

}  // namespace
}  // namespace tulle::kubernetes
