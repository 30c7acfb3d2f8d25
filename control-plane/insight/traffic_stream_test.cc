#include "control-plane/insight/traffic_stream.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::insight {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr char kWeb[] = "spiffe://m/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://m/ns/shop/sa/cart";

class TrafficStreamTest : public testing::Test {
 protected:
  static v1::Traffic Report(const v1::Series& series, uint32_t requests = 1) {
    v1::Traffic traffic;
    *traffic.add_series() = series;
    auto& counted = *traffic.add_requests();
    counted.set_series(series.id());
    counted.add_buckets(requests);
    return traffic;
  }
  static v1::Series Outbound() {
    v1::Series series;
    series.set_id(1);
    series.set_outbound(true);
    series.set_source(kWeb);
    series.set_service("cart.shop.svc.cluster.local");
    series.set_destination(kCart);
    series.set_protocol("http");
    series.set_response_code(200);
    return series;
  }
  Edge Only() {
    const auto all = book_.Between(kNow, kNow + 1);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Edge() : all[0].edge;
  }

  TrafficBook book_{kNow};
  ReporterShare share_;
  TrafficStream stream_{book_, share_, kWeb,
                        [](const std::string& host, const std::string& reporter) {
                          return host == "web.shop.svc.cluster.local" && reporter == kWeb;
                        }};
};

TEST_F(TrafficStreamTest, TheReporterIsWhoseCertificateItIs) {
  v1::Series series = Outbound();
  series.set_source(kCart);
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(Only().source, kWeb);
  EXPECT_EQ(Only().destination, kCart);
}

TEST_F(TrafficStreamTest, OnlyCallersKnowTheRoute) {
  v1::Series series = Outbound();
  series.set_route("shop/split[0][0]");
  series.set_called("basket.shop.svc.cluster.local");
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(Only().route, "shop/split[0][0]");
  EXPECT_EQ(Only().called, "basket.shop.svc.cluster.local");
  TrafficBook book(kNow);
  ReporterShare share;
  TrafficStream other(book, share, kCart, [](const auto&, const auto&) { return true; });
  series.set_outbound(false);
  ASSERT_TRUE(other.Add(Report(series), kNow));
  EXPECT_EQ(book.Between(kNow, kNow + 1)[0].edge.route, "");
  series.set_id(2);
  series.set_route(std::string(TrafficStream::kLongestName + 1, 'r'));
  EXPECT_FALSE(other.Add(Report(series), kNow));
}

TEST_F(TrafficStreamTest, ConnectionsThatFailedOrWereDeniedAreCounted) {
  uint32_t id = 0;
  const auto add = [&](const char* flags) {
    v1::Series series = Outbound();
    series.set_id(++id);
    series.set_protocol("tcp");
    series.set_response_flags(flags);
    v1::Traffic traffic;
    *traffic.add_series() = series;
    v1::Connections& connections = *traffic.add_connections();
    connections.set_series(id);
    connections.set_opened(1);
    connections.set_closed(1);
    ASSERT_TRUE(stream_.Add(traffic, kNow)) << flags;
  };
  for (const char* flags : {"", "DC", "SI", "UF", "UH", "NR", "UAEX"}) add(flags);
  const auto all = book_.Between(kNow, kNow + 1);
  ASSERT_EQ(all.size(), 1);
  EXPECT_EQ(all[0].traffic.tcp, (Connections{7, 7, 0, 0, 3, 1}));
}

TEST_F(TrafficStreamTest, OnlyWorkloadsOfAServiceSpeakForIt) {
  v1::Series series = Outbound();
  series.set_outbound(false);
  series.set_service("payments.shop.svc.cluster.local");
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(Only().service, "");
  EXPECT_EQ(Only().destination, kWeb);
  series.set_id(2);
  series.set_service("web.shop.svc.cluster.local");
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(book_.Between(kNow, INT64_MAX).back().edge.service, "web.shop.svc.cluster.local");
}

TEST_F(TrafficStreamTest, WhatIsInvalidEndsTheStream) {
  const auto is_refused = [&](const v1::Series& series) {
    return !stream_.Add(Report(series), kNow);
  };
  v1::Series series = Outbound();
  series.set_service("a\x1b[2J");
  EXPECT_TRUE(is_refused(series));
  series = Outbound();
  series.set_service(std::string(TrafficStream::kLongestName + 1, 'a'));
  EXPECT_TRUE(is_refused(series));
  series = Outbound();
  series.set_protocol("a0001");
  EXPECT_TRUE(is_refused(series)) << "rows would be without number";
  for (const uint32_t code : {1u, 99u, 1000u, UINT32_MAX}) {
    series = Outbound();
    series.set_response_code(code);
    EXPECT_TRUE(is_refused(series)) << code << ": outcomes would be without number";
  }
  series = Outbound();
  series.set_grpc_status(17);
  EXPECT_TRUE(is_refused(series));
  series.set_grpc_status(16);
  EXPECT_FALSE(is_refused(series));
  EXPECT_TRUE(is_refused(series)) << "the same id twice";
  v1::Traffic unknown;
  unknown.add_requests()->set_series(77);
  EXPECT_FALSE(stream_.Add(unknown, kNow));
  EXPECT_EQ(book_.edges(), 1u);
}

TEST_F(TrafficStreamTest, SeriesAndBucketsAreBounded) {
  v1::Series series = Outbound();
  for (uint32_t id = 1; id <= TrafficStream::kMostSeries; ++id) {
    series.set_id(id);
    ASSERT_TRUE(stream_.Add(Report(series, 1'000'000), kNow)) << id;
  }
  v1::Traffic more;
  more.add_requests()->set_series(1);
  more.mutable_requests(0)->add_buckets(1'000'000);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(stream_.Add(more, kNow));
  series.set_id(TrafficStream::kMostSeries + 1);
  EXPECT_FALSE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(book_.Between(kNow, INT64_MAX)[0].traffic.requests, UINT32_MAX) << "counts do not wrap";
  v1::Traffic traffic;
  auto& counted = *traffic.add_requests();
  counted.set_series(1);
  for (size_t i = 0; i <= kBuckets; ++i) counted.add_buckets(1);
  EXPECT_FALSE(stream_.Add(traffic, kNow));
}

TEST_F(TrafficStreamTest, FlagsThatNoSidecarHasAreLeftOut) {
  v1::Series series = Outbound();
  series.set_response_code(503);
  series.set_response_flags("DI,UF,URX");
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  series.set_id(2);
  series.set_response_flags("X,UF,AAAA,uf,,URX,RL,RL,RL");
  ASSERT_TRUE(stream_.Add(Report(series), kNow));
  std::vector<std::string> flags;
  const auto all = book_.Between(kNow, kNow + 1);
  for (const auto& [outcome, count] : all[0].traffic.outcomes) flags.push_back(outcome.flags);
  EXPECT_EQ(flags, (std::vector<std::string>{"DI,UF,URX", "UF,URX,RL"}));
}

TEST_F(TrafficStreamTest, WhatNoSidecarCanDoIsRefused) {
  constexpr auto kMost = static_cast<uint32_t>(TrafficStream::kMostRequestsPerSecond);
  ASSERT_TRUE(stream_.Add(Report(Outbound(), 120 * kMost), kNow)) << "before the first report";
  v1::Traffic traffic;
  auto& counted = *traffic.add_requests();
  counted.set_series(1);
  counted.add_buckets(6 * kMost);
  EXPECT_TRUE(stream_.Add(traffic, kNow + 5));
  counted.add_buckets(1);
  EXPECT_FALSE(stream_.Add(traffic, kNow + 10));
  traffic.clear_requests();
  auto& connections = *traffic.add_connections();
  connections.set_series(1);
  connections.set_sent(1'000'000'000);
  EXPECT_TRUE(stream_.Add(traffic, kNow + 15));
  connections.set_received(UINT64_MAX);
  EXPECT_FALSE(stream_.Add(traffic, kNow + 20));
  connections.set_received(0);
  connections.set_opened(UINT64_MAX);
  connections.set_closed(2);
  EXPECT_FALSE(stream_.Add(traffic, kNow + 25));
}

TEST(ReporterShare, AnIdentityNamesSoManySeriesOnAllItsStreams) {
  ReporterShare share;
  for (size_t i = 0; i < ReporterShare::kMostStreams; ++i) ASSERT_TRUE(share.AddStream());
  EXPECT_FALSE(share.AddStream());
  for (size_t i = 0; i < ReporterShare::kMostSeries; ++i) ASSERT_TRUE(share.AddSeries());
  EXPECT_FALSE(share.AddSeries());
  share.EndStream(1);
  EXPECT_TRUE(share.AddStream());
  EXPECT_TRUE(share.AddSeries());
  EXPECT_FALSE(share.AddSeries());
}

TEST(ReporterShare, CostlyMessagesMakeAllOfItsStreamsWait) {
  ReporterShare share;
  const loop::Instant now{std::chrono::seconds(1000)};
  EXPECT_EQ(share.Charge(ReporterShare::kCostAtOnce, now), loop::Duration{});
  EXPECT_EQ(share.Charge(ReporterShare::kCostPerSecond, now), std::chrono::seconds(1));
  EXPECT_EQ(share.Charge(0, now + std::chrono::seconds(1)), loop::Duration{});
  EXPECT_FALSE(share.is_idle(now + std::chrono::seconds(2)));
  EXPECT_TRUE(share.is_idle(now + std::chrono::seconds(3)));
}

TEST(ReporterShares, AnIdentityCannotGetRidOfItsDebtByComingAgain) {
  ReporterShares shares;
  const loop::Instant now{std::chrono::seconds(1000)};
  shares.Of(kWeb, now)->Charge(100 * ReporterShare::kCostPerSecond, now);
  for (int i = 0; i < 1000; ++i) shares.Of(kCart + std::to_string(i), now);
  EXPECT_GT(shares.Of(kWeb, now)->Charge(0, now), std::chrono::seconds(90));
}

}  // namespace
}  // namespace tulle::insight
