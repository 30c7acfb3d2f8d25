// Rate limits and injected faults: what a request gets from them.
#include <gtest/gtest.h>

#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;

class LimitingTest : public testing::CallWorld {
 protected:
  static policy::RateLimitSpec OneRequest() {
    policy::RateLimitSpec spec;
    spec.bucket = policy::BucketSpec{1, 1, std::chrono::seconds(60)};
    spec.enabled_per_million = spec.enforced_per_million = 1000000;
    return spec;
  }
  void Use(policy::RateLimitSpec spec) {
    http_.rate_limits = {{"limit", std::make_shared<policy::LocalRateLimit>(std::move(spec))}};
  }
  void Use(policy::FaultSpec spec) {
    http_.injects_faults = true;
    http_.fault = *policy::FaultInjection::Compile(std::move(spec));
  }
};

TEST_F(LimitingTest, RefusesBeyondTheLimitAndSaysWhenToComeBack) {
  policy::RateLimitSpec spec = OneRequest();
  spec.tells_numbers = spec.tells_retry_after = true;
  spec.response_headers = {{"x-limited", "yes"}};
  Use(spec);
  EXPECT_EQ(Limit(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(call().policy.quota->remaining, 0u);
  const Step step = Limit(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().failure.kind, failures::kRateLimited);
  EXPECT_EQ(step.answer().head->status, 429);
  EXPECT_EQ(step.answer().grpc_status, -1);
  EXPECT_EQ(Value(step.answer().head->headers, "retry-after"), "60");
  EXPECT_EQ(Value(step.answer().head->headers, "x-limited"), "yes");
}

TEST_F(LimitingTest, GrpcCallersGetResourceExhaustedWhereConfigured) {
  policy::RateLimitSpec spec = OneRequest();
  spec.resource_exhausted = true;
  Use(spec);
  ASSERT_EQ(Limit(call()).kind(), Step::Kind::kContinue);
  const Step step = Limit(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().grpc_status, 8);
}

TEST_F(LimitingTest, ALimitThatIsNotEnforcedMarksTheRequest) {
  policy::RateLimitSpec spec = OneRequest();
  spec.enforced_per_million = 0;
  spec.unenforced_headers = {{"x-over", "1"}};
  Use(spec);
  ASSERT_EQ(Limit(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-over"), "(none)");
  ASSERT_EQ(Limit(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-over"), "1");
}

TEST_F(LimitingTest, DecisionsNameTheLimit) {
  Use(OneRequest());
  ASSERT_EQ(Limit(call()).kind(), Step::Kind::kContinue);
  ASSERT_EQ(Limit(call()).kind(), Step::Kind::kAnswer);
  const std::vector<KeptDecision> all = call().decisions->Copy();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].positive);
  EXPECT_EQ(all[0].subject + ": " + all[0].reason, "limit: limit exceeded");
}

TEST_F(LimitingTest, DelaysAndCountsAsAnActiveFaultUntilTheEnd) {
  policy::FaultSpec spec;
  spec.delay = policy::FaultSpec::Delay{milliseconds(70), false, 1000000};
  spec.most_active = 1;
  Use(spec);
  const Step step = DelayByFault(call());
  ASSERT_EQ(step.kind(), Step::Kind::kDelay);
  EXPECT_EQ(step.delay(), milliseconds(70));
  EXPECT_TRUE(call().record.delay_injected);
  Call other(services_, call().chain, caller_);
  other.request.head = &head_;
  EXPECT_EQ(DelayByFault(other).kind(), Step::Kind::kContinue);
  call().policy.fault.Leave();
  EXPECT_EQ(DelayByFault(other).kind(), Step::Kind::kDelay);
}

TEST_F(LimitingTest, InjectsHttpAndGrpcFailures) {
  policy::FaultSpec spec;
  spec.abort = policy::FaultSpec::Abort{418, -1, false, 1000000};
  Use(spec);
  Step step = AbortByFault(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().failure.kind, failures::kFaultInjected);
  EXPECT_EQ(step.answer().head->status, 418);
}

TEST_F(LimitingTest, AGrpcFaultHasAnHttpStatusForOtherCallers) {
  policy::FaultSpec spec;
  spec.abort = policy::FaultSpec::Abort{0, 7, false, 1000000};
  Use(spec);
  const Step step = AbortByFault(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().head->status, 403);
  EXPECT_EQ(step.answer().grpc_status, 7);
}

}  // namespace
}  // namespace tulle::proxy
