#include "sidecar/proxy/retries.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "net/base/slab.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RetriesTest : public testing::TcpWorld {
 protected:
  RetriesTest() { cluster_.caps.retries = 2; }
  ~RetriesTest() override {
    if (acquired_ != nullptr) clusters_.Release(*acquired_);
  }
  upstream::Cluster& cluster() {
    if (acquired_ == nullptr) {
      PutCluster({backend_.address()});
      acquired_ = clusters_.Acquire("c");
    }
    return *acquired_;
  }
  void Keep(Retries& retries, std::string_view text, size_t limit = 10) {
    Buffer data(loop_->slab());
    data.Append(text);
    retries.Keep(data, limit);
  }
  upstream::Cluster* acquired_ = nullptr;
};

TEST_F(RetriesTest, BodyIsKeptToItsLimitAndNoFurther) {
  Retries retries(loop_->slab());
  retries.Allow(1);
  Keep(retries, "12345");
  Keep(retries, "67890");
  EXPECT_TRUE(retries.has_whole_body());
  EXPECT_EQ(retries.body().ToString(), "1234567890");
  Keep(retries, "");
  EXPECT_TRUE(retries.has_whole_body());
  Keep(retries, "x");
  EXPECT_FALSE(retries.has_whole_body());
  EXPECT_TRUE(retries.body().empty());
  Keep(retries, "y");  // what follows a gap is of no use
  EXPECT_TRUE(retries.body().empty());
}

TEST_F(RetriesTest, BodyIsNotKeptWhereNothingMayFollow) {
  Retries retries(loop_->slab());
  ASSERT_TRUE(retries.TryFreshConnection());
  EXPECT_FALSE(retries.TryFreshConnection());
  Keep(retries, "");
  EXPECT_TRUE(retries.has_whole_body());
  Keep(retries, "a");
  EXPECT_FALSE(retries.has_whole_body());
}

TEST_F(RetriesTest, OneRetryGoesElsewhereOutsideTheLimits) {
  Retries retries(loop_->slab());
  EXPECT_TRUE(retries.TryElsewhere());
  EXPECT_FALSE(retries.TryElsewhere());
  EXPECT_FALSE(retries.TryFreshConnection());
  EXPECT_EQ(retries.done(), 0u);
}

TEST_F(RetriesTest, LettingGoOfNothingLosesNothing) {
  Retries retries(loop_->slab());
  retries.Release();
  EXPECT_TRUE(retries.has_whole_body());
  Keep(retries, "a");
  retries.Release();
  EXPECT_FALSE(retries.has_whole_body());
}

TEST_F(RetriesTest, OneRequestCountsOnceInTheCapsHoweverOftenItRetries) {
  Retries first(loop_->slab()), second(loop_->slab()), third(loop_->slab());
  for (Retries* one : {&first, &second, &third}) one->Allow(5);
  EXPECT_TRUE(first.TryEnter(cluster()));
  EXPECT_TRUE(first.TryEnter(cluster()));
  EXPECT_EQ(first.left(), 3u);
  EXPECT_EQ(first.done(), 2u);
  EXPECT_TRUE(second.TryEnter(cluster()));
  EXPECT_FALSE(third.TryEnter(cluster()));
  EXPECT_EQ(third.left(), 5u);
  first.Leave();
  first.Leave();
  EXPECT_TRUE(third.TryEnter(cluster()));
  second.Leave();
  third.Leave();
}

TEST_F(RetriesTest, BackOffDoublesToItsMostWithFullJitter) {
  route::RetrySpec spec;
  spec.base_interval = milliseconds(25);
  spec.max_interval = milliseconds(90);
  loop::Random random(3);
  Retries retries(loop_->slab());
  retries.Allow(40);
  for (const int cap : {25, 50, 90, 90}) {
    ASSERT_TRUE(retries.TryEnter(cluster()));
    loop::Duration least = seconds(1);
    loop::Duration most{};
    for (int i = 0; i < 1000; ++i) {
      const loop::Duration wait = retries.BackOff(spec, random);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_LT(most, milliseconds(cap));
    EXPECT_GT(most, milliseconds(cap) * 0.95);
    EXPECT_LT(least, milliseconds(cap) * 0.05);
  }
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(retries.TryEnter(cluster()));  // 2^33 is not asked for
  EXPECT_LT(retries.BackOff(spec, random), milliseconds(90));
  retries.Leave();
}

TEST_F(RetriesTest, AWaitThatWasAskedForIsKeptOnce) {
  route::RetrySpec spec;
  spec.base_interval = milliseconds(1);
  spec.max_interval = milliseconds(1);
  loop::Random random(3);
  Retries retries(loop_->slab());
  retries.Allow(1);
  ASSERT_TRUE(retries.TryEnter(cluster()));
  retries.AskWait(seconds(4));
  const loop::Duration wait = retries.BackOff(spec, random);
  EXPECT_GE(wait, seconds(4));
  EXPECT_LE(wait, seconds(6));
  EXPECT_LT(retries.BackOff(spec, random), milliseconds(1));
  retries.Leave();
}

TEST_F(RetriesTest, RemembersTheLatestEndpoints) {
  Retries retries(loop_->slab());
  EXPECT_TRUE(retries.tried().empty());
  PutCluster({*SocketAddress::Parse("10.0.0.1", 1), *SocketAddress::Parse("10.0.0.1", 2),
              *SocketAddress::Parse("10.0.0.1", 3), *SocketAddress::Parse("10.0.0.1", 4),
              *SocketAddress::Parse("10.0.0.1", 5)});
  acquired_ = clusters_.Acquire("c");
  std::set<upstream::Endpoint*> latest;
  for (int i = 0; i < 5; ++i) {
    Failure failure;
    auto picked = acquired_->Pick({std::nullopt, {}, 0}, &failure);
    ASSERT_NE(picked.endpoint, nullptr);
    retries.OnPicked(*picked.endpoint);
    if (i > 0) latest.insert(picked.endpoint);
    acquired_->Leave(picked);
  }
  const auto tried = retries.tried();
  EXPECT_EQ(tried.size(), 4u);
  EXPECT_EQ(std::set<upstream::Endpoint*>(tried.begin(), tried.end()), latest);
}

}  // namespace
}  // namespace tulle::proxy
