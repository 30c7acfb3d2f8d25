#include "sidecar/upstream/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "net/hash/xx_hash.h"
#include "sidecar/upstream/cluster_for_test.h"

namespace tulle::upstream {
namespace {

SocketAddress Local(uint16_t port) { return SocketAddress::Loopback4(port); }

EndpointSet SetOf(const std::vector<uint16_t>& ports) {
  EndpointSet set;
  for (const uint16_t port : ports) set.endpoints.emplace_back().address = Local(port);
  return set;
}

// As Envoy hashes the same endpoints.
TEST(Ring, HasEnvoysPoints) {
  const Ring ring(SetOf({90, 91, 92, 93, 94, 95}), RingSpec{.min_size = 12}, false);
  ASSERT_EQ(ring.priorities().size(), 1u);
  const Ring::Points& points = ring.priorities()[0];
  ASSERT_EQ(points.hashes.size(), 12u);
  const std::vector<std::pair<uint64_t, uint32_t>> first = {{833437586790550860u, 4},
                                                            {928266305478181108u, 2},
                                                            {1033482794131418490u, 0},
                                                            {3551244743356806947u, 5}};
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(points.hashes[i], first[i].first);
    EXPECT_EQ(points.endpoints[i], first[i].second);
  }
  EXPECT_EQ(points.At(0), 0u);
  EXPECT_EQ(points.At(833437586790550860u), 0u);
  EXPECT_EQ(points.At(833437586790550861u), 1u);
  EXPECT_EQ(points.At(~uint64_t{0}), 0u);
  EXPECT_EQ(points.After(11), 0u);
}

TEST(Ring, PointsFollowWeights) {
  EndpointSet set = SetOf({1, 2});
  set.endpoints[1].weight = 3;
  const Ring ring(set, RingSpec{}, false);
  const Ring::Points& points = ring.priorities()[0];
  EXPECT_EQ(points.hashes.size(), 1024u);
  EXPECT_EQ(std::count(points.endpoints.begin(), points.endpoints.end(), 0u), 256);
}

TEST(Ring, LocalityWeightsCountIfEnabled) {
  EndpointSet set = SetOf({1, 2, 3});
  set.endpoints[2].locality = 1;
  set.localities = {LocalityOf(1), LocalityOf(2)};
  const Ring ring(set, RingSpec{.min_size = 600}, true);
  const Ring::Points& points = ring.priorities()[0];
  EXPECT_EQ(std::count(points.endpoints.begin(), points.endpoints.end(), 2u), 400);
}

TEST(Ring, StaysWithinItsLargestSize) {
  EndpointSet set = SetOf({1, 2});
  set.endpoints[1].weight = 1000000;
  const Ring ring(set, RingSpec{.min_size = 1, .max_size = 4096}, false);
  EXPECT_LE(ring.priorities()[0].hashes.size(), 4096u);
}

TEST(Ring, HashKeysReplaceAddresses) {
  EndpointSet set = SetOf({1, 2});
  set.endpoints[0].hostname = "one";
  set.endpoints[1].hostname = "two";
  set.endpoints[1].hash_key = "key";
  const RingSpec spec{.min_size = 2, .by_hostname = true};
  std::vector<uint64_t> expected = {hash::XxHash64("one_0"), hash::XxHash64("key_0")};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Ring(set, spec, false).priorities()[0].hashes, expected);
}

class RingClusterTest : public ClusterTest {
 protected:
  RingClusterTest() {
    spec_.balancing = Balancing::kRingHash;
    spec_.panic_percent = 0;
  }
  Endpoint* PickBy(uint64_t hash, std::vector<Endpoint*> tried = {}, uint32_t attempts = 0) {
    const PickCriteria criteria{hash::XxHash64("k" + std::to_string(hash)), tried, attempts};
    Cluster::Picked picked = cluster_->Pick(criteria, &failure_);
    Endpoint* endpoint = picked.endpoint;
    if (endpoint != nullptr) cluster_->Leave(picked);
    return endpoint;
  }
  std::map<uint64_t, Endpoint*> PickMany() {
    std::map<uint64_t, Endpoint*> picks;
    for (uint64_t i = 0; i < 500; ++i) picks[i] = PickBy(i);
    return picks;
  }
  std::shared_ptr<EndpointSet> Many(size_t count) {
    auto set = std::make_shared<EndpointSet>();
    for (size_t i = 0; i < count; ++i)
      set->endpoints.emplace_back().address = Local(static_cast<uint16_t>(1000 + i));
    return set;
  }
};

TEST_F(RingClusterTest, SameHashSameEndpoint) {
  Build({});
  cluster_->SetEndpoints(Many(5));
  const auto picks = PickMany();
  EXPECT_EQ(PickMany(), picks);
  std::map<Endpoint*, int> counts;
  for (const auto& [hash, endpoint] : picks) ++counts[endpoint];
  EXPECT_EQ(counts.size(), 5u);
  for (const auto& [endpoint, count] : counts) EXPECT_GT(count, 50);
}

TEST_F(RingClusterTest, EndpointThatGoesMovesOnlyItsOwnRequests) {
  Build({});
  cluster_->SetEndpoints(Many(5));
  const auto before = PickMany();
  auto fewer = Many(5);
  fewer->endpoints[2].health = EndpointHealth::kUnhealthy;
  const SocketAddress gone = fewer->endpoints[2].address;
  cluster_->SetEndpoints(fewer);
  const auto after = PickMany();
  for (const auto& [hash, endpoint] : before) {
    if (endpoint->spec().address == gone) {
      EXPECT_NE(after.at(hash), endpoint);
    } else {
      EXPECT_EQ(after.at(hash), endpoint);
    }
  }
  // An absent endpoint is treated like an unhealthy one.
  fewer->endpoints.erase(fewer->endpoints.begin() + 2);
  cluster_->SetEndpoints(std::make_shared<EndpointSet>(*fewer));
  int moved = 0;
  for (const auto& [hash, endpoint] : after)
    moved += PickBy(hash)->spec().address != endpoint->spec().address;
  EXPECT_LT(moved, 100);  // those that stay get more points
}

TEST_F(RingClusterTest, RetryMovesOnOnlyIfItAvoidsTheFirst) {
  Build({});
  cluster_->SetEndpoints(Many(3));
  Endpoint* first = PickBy(7);
  EXPECT_EQ(PickBy(7, {first}, 0), first);
  Endpoint* second = PickBy(7, {first}, 1);
  EXPECT_NE(second, first);
  EXPECT_EQ(PickBy(7, {first}, 1), second);
  cluster_->SetEndpoints(Many(1));
  EXPECT_EQ(PickBy(7, {PickBy(7)}, 3), PickBy(7));
}

TEST_F(RingClusterTest, OpenBreakerSendsItsRequestsOnUntilItsTrialIsDue) {
  spec_.breaker = BreakerSpec{.gateway_errors = {1, 100}, .max_open_percent = 100};
  Build({});
  cluster_->SetEndpoints(Many(3));
  Endpoint* own = PickBy(7);
  const auto fail = [&] {
    Cluster::Picked picked = cluster_->Pick(PickCriteria{hash::XxHash64("k7"), {}, 0}, &failure_);
    EXPECT_EQ(picked.endpoint, own);
    cluster_->Report(picked, Outcome::kGatewayError);
    cluster_->Leave(picked);
  };
  fail();
  Endpoint* other = PickBy(7);
  EXPECT_NE(other, own);
  EXPECT_EQ(PickBy(7), other);
  Pass(seconds(31));
  fail();  // the trial
  EXPECT_EQ(PickBy(7), other);
}

TEST_F(RingClusterTest, AnAbandonedPriorityReturnsByTrials) {
  spec_.breaker = BreakerSpec{.gateway_errors = {1, 100}, .max_open_percent = 100};
  Build({});
  auto set = Many(3);
  set->endpoints[2].priority = 1;
  cluster_->SetEndpoints(set);
  const SocketAddress last = set->endpoints[2].address;
  const auto ask = [&](uint64_t hash, bool works) {
    Cluster::Picked picked =
        cluster_->Pick(PickCriteria{hash::XxHash64("k" + std::to_string(hash)), {}, 0}, &failure_);
    EXPECT_NE(picked.endpoint, nullptr);
    const bool first = picked.endpoint->spec().address != last;
    cluster_->Report(picked, works || !first ? Outcome::kGood : Outcome::kGatewayError);
    cluster_->Leave(picked);
    return first;
  };
  int failures = 0;
  for (uint64_t i = 0; i < 100; ++i) failures += ask(i, false);
  EXPECT_EQ(failures, 2);
  Pass(seconds(31));
  failures = 0;
  for (uint64_t i = 0; i < 100; ++i) failures += ask(i, false);
  EXPECT_EQ(failures, 2) << "one trial each";
  Pass(seconds(61));
  int first = 0;
  for (uint64_t i = 0; i < 100; ++i) first += ask(i, true);
  EXPECT_EQ(first, 100);
}

TEST_F(RingClusterTest, AllOpenBreakersAreTriedWhateverTheirPriority) {
  spec_.breaker = BreakerSpec{.gateway_errors = {1, 100}, .max_open_percent = 100};
  Build({});
  auto set = Many(2);
  set->endpoints[0].health = EndpointHealth::kUnhealthy;
  set->endpoints[1].priority = 1;
  cluster_->SetEndpoints(set);
  Cluster::Picked picked = cluster_->Pick(PickCriteria{hash::XxHash64("k7"), {}, 0}, &failure_);
  ASSERT_NE(picked.endpoint, nullptr);
  cluster_->Report(picked, Outcome::kGatewayError);
  cluster_->Leave(picked);
  EXPECT_EQ(PickBy(7), nullptr);
  Pass(seconds(31));
  EXPECT_NE(PickBy(7), nullptr);
}

TEST_F(RingClusterTest, RequestWithoutAHashGoesAnywhere) {
  Build({a_.address(), b_.address()});
  int of_a = 0;
  for (int i = 0; i < 100; ++i) {
    Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
    of_a += picked.endpoint == &At(a_.address());
    cluster_->Leave(picked);
  }
  EXPECT_GT(of_a, 20);
  EXPECT_LT(of_a, 80);
}

}  // namespace
}  // namespace tulle::upstream
