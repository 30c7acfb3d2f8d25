#include "control-plane/insight/traffic.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "telemetry/families.h"

namespace tulle::insight {
namespace {

constexpr char kWeb[] = "spiffe://m/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://m/ns/shop/sa/cart";

EdgeTraffic Requests(Edge edge, uint64_t requests) {
  EdgeTraffic each{std::move(edge), {}};
  each.traffic.requests = requests;
  return each;
}

TEST(Outcome, FailuresAreOfTheServiceOrTheMesh) {
  EXPECT_TRUE((Outcome{503, -1, "UH"}).is_failure());
  EXPECT_TRUE((Outcome{200, 14, ""}).is_failure());
  EXPECT_FALSE((Outcome{200, 5, ""}).is_failure()) << "NOT_FOUND";
  EXPECT_FALSE((Outcome{403, -1, "UAEX"}).is_failure());
  EXPECT_FALSE((Outcome{0, -1, "DC"}).is_failure()) << "the caller has gone";
}

TEST(Traffic, OutcomesThatAreTooManyAreCountedTogether) {
  Traffic sum;
  for (uint32_t code = 400; code < 500; ++code) {
    Traffic one;
    one.AddOutcome({code, -1, ""}, 2);
    sum.Add(one);
    sum.Add(one);
  }
  EXPECT_EQ(sum.outcomes.size(), Traffic::kMostOutcomes + 1);
  EXPECT_EQ((sum.outcomes[{400, -1, ""}]), 4u);
  EXPECT_EQ((sum.outcomes[{0, -1, Traffic::kOther}]), 4 * (100 - Traffic::kMostOutcomes));
}

TEST(Connections, CountsEndAtTheirLargest) {
  Connections sum{1, 2, 3, UINT64_MAX};
  sum.Add({1, UINT64_MAX, 4, 1});
  EXPECT_EQ(sum, (Connections{2, UINT64_MAX, 7, UINT64_MAX}));
}

TEST(Traffic, QuantilesAreInterpolatedInABucket) {
  Traffic traffic;
  EXPECT_EQ(traffic.Quantile(0.5), 0);
  traffic.buckets[0] = 50;  // up to 0.5 ms
  traffic.buckets[4] = 50;  // 5 to 10 ms
  EXPECT_DOUBLE_EQ(traffic.Quantile(0.25), 0.25);
  EXPECT_DOUBLE_EQ(traffic.Quantile(0.5), 0.5);
  EXPECT_DOUBLE_EQ(traffic.Quantile(0.75), 7.5);
  traffic.buckets[kBuckets - 1] = 1000;
  EXPECT_DOUBLE_EQ(traffic.Quantile(0.99), kBucketEnds[kBuckets - 2]) << "no upper end is known";
}

// Reports carry counts alone: both sides must mean the same durations.
TEST(Traffic, BucketsAreThoseThatSidecarsCount) {
  const auto counted = telemetry::kRouteRequestDuration.bounds;
  EXPECT_TRUE(
      std::equal(counted.begin(), counted.end(), std::begin(kBucketEnds), std::end(kBucketEnds)));
}

TEST(Links, TheCallersReportCounts) {
  const auto links = LinksOf({Requests({kWeb, "cart.shop", kCart, "http", true, true}, 10),
                              Requests({kWeb, "cart.shop", "", "http", true, false}, 2),
                              Requests({kWeb, "cart.shop", kCart, "http", false, true}, 10)});
  ASSERT_EQ(links.size(), 1);
  EXPECT_EQ(links[0].traffic.requests, 12) << "two of them did not arrive";
  EXPECT_EQ(links[0].mutual_tls, 10);
  EXPECT_EQ(links[0].destinations, std::vector<std::string>{kCart});
}

TEST(Links, CallersOutsideTheMeshAreReportedByTheService) {
  const auto links = LinksOf({Requests({"", "cart.shop", kCart, "http", false, false}, 3)});
  ASSERT_EQ(links.size(), 1);
  EXPECT_EQ(links[0].source, "");
  EXPECT_EQ(links[0].service, "cart.shop");
  EXPECT_EQ(links[0].traffic.requests, 3);
  EXPECT_EQ(links[0].mutual_tls, 0);
}

TEST(Links, TheServiceThatWasCalledCountsNotTheOneBehindARoute) {
  const auto links = LinksOf({Requests({kWeb, "cart.shop", kCart, "http", true, true}, 10),
                              Requests({kWeb, "cart-v2.shop", kCart, "http", false, true}, 10)});
  ASSERT_EQ(links.size(), 1);
  EXPECT_EQ(links[0].service, "cart.shop");
}

TEST(Links, EachRouteIsALinkIfRoutesAreAskedFor) {
  const auto of = [](const char* service, const char* route, const char* called,
                     uint64_t requests) {
    return Requests({kWeb, service, kCart, "http", true, true, route, called}, requests);
  };
  const std::vector<EdgeTraffic> edges = {
      of("cart-v1.shop", "shop/split[0][0]", "cart.shop", 90),
      of("cart-v2.shop", "shop/split[0][0]", "cart.shop", 10), of("cart-v1.shop", "default", "", 5),
      Requests({kWeb, "cart-v1.shop", kCart, "http", false, true}, 95),
      Requests({"", "cart-v1.shop", kCart, "http", false, false}, 1)};
  const auto links = LinksOf(edges, Detail::kRoutes);
  ASSERT_EQ(links.size(), 4) << "what the services say of web is left out";
  EXPECT_EQ(links[0].source, "");
  EXPECT_EQ(links[0].route, "");
  EXPECT_EQ(links[0].called, "cart-v1.shop");
  EXPECT_EQ(links[1].called, "cart-v1.shop");
  EXPECT_EQ(links[1].route, "default");
  EXPECT_EQ(links[1].traffic.requests, 5);
  EXPECT_EQ(links[2].called, "cart.shop");
  EXPECT_EQ(links[2].service, "cart-v1.shop");
  EXPECT_EQ(links[2].traffic.requests, 90);
  EXPECT_EQ(links[3].service, "cart-v2.shop");
  const auto services = LinksOf(edges);
  ASSERT_EQ(services.size(), 3);
  EXPECT_EQ(services[1].traffic.requests, 95);
  EXPECT_EQ(services[1].called, "");
}

TEST(Links, HttpAndTcpAreApart) {
  EdgeTraffic tcp{{kWeb, "cart.shop", kCart, "tcp", true, true}, {}};
  tcp.traffic.tcp.opened = 1;
  const auto links =
      LinksOf({Requests({kWeb, "cart.shop", kCart, "grpc", true, true}, 10), std::move(tcp)});
  ASSERT_EQ(links.size(), 2);
  EXPECT_FALSE(links[0].is_tcp);
  EXPECT_TRUE(links[1].is_tcp);
  EXPECT_EQ(links[1].mutual_tls, 1);
}

}  // namespace
}  // namespace tulle::insight
