#include "sidecar/policy/fault.h"

#include <gtest/gtest.h>

#include "net/base/arena.h"
#include "net/base/slab.h"

namespace tulle::policy {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kAlways = 1000000;

class FaultTest : public testing::Test {
 protected:
  std::shared_ptr<FaultInjection> Make(FaultSpec spec) {
    auto fault = FaultInjection::Compile(std::move(spec));
    EXPECT_TRUE(fault.ok());
    return *fault;
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
};

TEST_F(FaultTest, DrawsItsPercentage) {
  FaultSpec spec;
  spec.delay = FaultSpec::Delay{milliseconds(20), false, 250000};
  spec.abort = FaultSpec::Abort{503, -1, false, kAlways};
  const auto fault = Make(spec);
  int delayed = 0;
  for (uint64_t random = 0; random < 1000000; random += 1000)
    delayed += fault->DrawDelay(head_, random) ? 1 : 0;
  EXPECT_EQ(delayed, 250);
  EXPECT_EQ(fault->DrawAbort(head_, 999999)->status, 503);
}

TEST_F(FaultTest, HeadersSayWhatAndMayLowerThePercentage) {
  FaultSpec spec;
  spec.delay = FaultSpec::Delay{milliseconds(0), true, kAlways};
  spec.abort = FaultSpec::Abort{0, -1, true, kAlways};
  const auto fault = Make(spec);
  EXPECT_FALSE(fault->DrawDelay(head_, 0));
  EXPECT_FALSE(fault->DrawAbort(head_, 0));
  head_.headers.Set("x-envoy-fault-delay-request", "150");
  head_.headers.Set("x-envoy-fault-abort-request", "418");
  EXPECT_EQ(fault->DrawDelay(head_, 0), milliseconds(150));
  EXPECT_EQ(fault->DrawAbort(head_, 0)->status, 418);
  head_.headers.Set("x-envoy-fault-abort-grpc-request", "14");
  EXPECT_EQ(fault->DrawAbort(head_, 0)->grpc_status, 14);
  head_.headers.Set("x-envoy-fault-delay-request-percentage", "0");
  EXPECT_FALSE(fault->DrawDelay(head_, 0));
  head_.headers.Set("x-envoy-fault-abort-grpc-request", "nonsense");
  head_.headers.Set("x-envoy-fault-abort-request", "99999");
  EXPECT_FALSE(fault->DrawAbort(head_, 0));
}

TEST_F(FaultTest, MatchesHeadersAndCluster) {
  FaultSpec spec;
  match::HeaderSpec header;
  header.name = "x-test";
  spec.headers = {header};
  spec.cluster = "a";
  const auto fault = Make(spec);
  EXPECT_FALSE(fault->Matches(head_, "a"));
  head_.headers.Set("x-test", "1");
  EXPECT_TRUE(fault->Matches(head_, "a"));
  EXPECT_FALSE(fault->Matches(head_, "b"));
}

TEST_F(FaultTest, NoMoreAtOnceThanAllowed) {
  FaultSpec spec;
  spec.most_active = 1;
  const auto fault = Make(spec);
  EXPECT_TRUE(fault->TryEnter());
  EXPECT_FALSE(fault->TryEnter());
  fault->Leave();
  EXPECT_TRUE(fault->TryEnter());
}

}  // namespace
}  // namespace tulle::policy
