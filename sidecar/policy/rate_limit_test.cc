#include "sidecar/policy/rate_limit.h"

#include <gtest/gtest.h>

#include <thread>

#include "net/base/arena.h"
#include "net/base/slab.h"

namespace tulle::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanoseconds kNow = seconds(1000);

TEST(BucketRate, HoldsItsTokensAndFillsLazily) {
  const BucketRate rate({.tokens = 3, .per_fill = 1, .interval = seconds(1)});
  BucketWord bucket{0};
  for (const uint32_t left : {2u, 1u, 0u}) {
    const auto taken = rate.Take(bucket, kNow);
    EXPECT_TRUE(taken.allowed);
    EXPECT_EQ(taken.remaining, left);
  }
  const auto refused = rate.Take(bucket, kNow + milliseconds(400));
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.until_next, milliseconds(600));
  EXPECT_EQ(refused.until_full, milliseconds(2600));
  EXPECT_TRUE(rate.Take(bucket, kNow + seconds(1)).allowed);
  EXPECT_FALSE(rate.Take(bucket, kNow + seconds(1)).allowed);
  // Never more than its tokens, however long it was idle.
  int allowed = 0;
  while (rate.Take(bucket, kNow + seconds(1000)).allowed) ++allowed;
  EXPECT_EQ(allowed, 3);
}

TEST(BucketRate, WorkersTogetherGetNoMoreThanThereIs) {
  const BucketRate rate({.tokens = 1000, .per_fill = 1, .interval = seconds(3600)});
  BucketWord bucket{0};
  std::atomic<int> allowed{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) allowed += rate.Take(bucket, kNow).allowed ? 1 : 0;
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(allowed, 1000);
}

TEST(KeyedBuckets, UntrustedKeysUseBoundedMemory) {
  KeyedBuckets buckets(64);
  const BucketRate rate({.tokens = 1, .per_fill = 1, .interval = seconds(3600)});
  EXPECT_TRUE(rate.Take(buckets.Find(7), kNow).allowed);
  EXPECT_FALSE(rate.Take(buckets.Find(7), kNow).allowed);
  EXPECT_TRUE(rate.Take(buckets.Find(8), kNow).allowed);
  for (uint64_t key = 100; key < 100000; ++key) rate.Take(buckets.Find(key), kNow);
}

class LocalRateLimitTest : public testing::Test {
 protected:
  LocalRateLimitTest() { head_.path = "/x"; }

  LocalRateLimit::Verdict Take(LocalRateLimit& limit, Nanoseconds now = kNow) {
    Subject subject;
    subject.head = &head_;
    if (!peer_.empty()) subject.uri_sans = {&peer_, 1};
    return limit.Take(subject, rules_.get(), "cluster", now, 0);
  }
  static RateLimitSpec Spec() {
    RateLimitSpec spec;
    spec.enabled_per_million = spec.enforced_per_million = 1000000;
    return spec;
  }
  void Rule(DescriptorAction::Kind kind, const char* key, const char* value = "") {
    DescriptorAction action;
    action.kind = kind;
    action.key = key;
    action.value = value;
    auto rules = LimitDescriptors::Compile({{0, {std::move(action)}}});
    ASSERT_TRUE(rules.ok());
    rules_ = *rules;
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
  std::string_view peer_;
  std::shared_ptr<const LimitDescriptors> rules_;
};

TEST_F(LocalRateLimitTest, DoesNothingUnlessEnabledAsInEnvoy) {
  RateLimitSpec spec = Spec();
  spec.bucket = BucketSpec{.tokens = 0};
  spec.enabled_per_million = 0;
  LocalRateLimit off(spec);
  EXPECT_FALSE(Take(off).counted);
  spec.enabled_per_million = 1000000;
  spec.enforced_per_million = 0;
  LocalRateLimit shadow(spec);
  EXPECT_TRUE(Take(shadow).limited);
  EXPECT_FALSE(Take(shadow).enforced);
}

TEST_F(LocalRateLimitTest, EachIdentityHasItsOwnBucket) {
  RateLimitSpec spec = Spec();
  spec.descriptors.push_back({{{"identity", ""}}, {.tokens = 1, .interval = seconds(60)}, false});
  spec.always_takes_default = false;
  LocalRateLimit limit(spec);
  Rule(DescriptorAction::Kind::kPeerIdentity, "identity");
  peer_ = "spiffe://m/ns/default/sa/a";
  EXPECT_FALSE(Take(limit).limited);
  EXPECT_TRUE(Take(limit).enforced);
  peer_ = "spiffe://m/ns/default/sa/b";
  EXPECT_FALSE(Take(limit).limited);
  peer_ = "";
  EXPECT_FALSE(
      Take(limit).counted);  // unknown peer: would use the default bucket, and there is none
}

TEST_F(LocalRateLimitTest, ADescriptorBesideTheDefaultBucket) {
  RateLimitSpec spec = Spec();
  spec.bucket = BucketSpec{.tokens = 3, .interval = seconds(60)};
  spec.descriptors.push_back({{{"who", "robot"}}, {.tokens = 1, .interval = seconds(60)}, false});
  LocalRateLimit limit(spec);
  Rule(DescriptorAction::Kind::kRequestHeader, "who", "user-agent");
  head_.headers.Set("user-agent", "robot");
  EXPECT_FALSE(Take(limit).limited);
  const auto refused = Take(limit);
  EXPECT_TRUE(refused.enforced);
  EXPECT_EQ(refused.limit, 1u);
  EXPECT_EQ(refused.retry_after, seconds(60));
  head_.headers.Set("user-agent", "person");
  EXPECT_EQ(Take(limit).remaining, 1u);  // one was the robot's
  EXPECT_FALSE(Take(limit).limited);
  EXPECT_TRUE(Take(limit).limited);
}

}  // namespace
}  // namespace tulle::policy
