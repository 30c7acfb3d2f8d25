#include "sidecar/insight/traffic_deltas.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "telemetry/families.h"

namespace tulle::sidecar {
namespace {

using insight::v1::Traffic;
using telemetry::IstioLabel;
using telemetry::RouteLabel;
using Labels = std::array<std::string_view, RouteLabel::kCount>;
using TcpLabels = std::array<std::string_view, telemetry::kIstioLabelCount>;

constexpr char kWeb[] = "spiffe://mesh/ns/shop/sa/web";
constexpr char kCart[] = "spiffe://mesh/ns/shop/sa/cart";

class TrafficDeltasTest : public testing::Test {
 protected:
  static Labels Outbound(std::string_view code = "200", std::string_view flags = "-") {
    Labels labels{};
    labels[RouteLabel::kReporter] = "source";
    labels[RouteLabel::kSourcePrincipal] = kWeb;
    labels[RouteLabel::kDestinationService] = "cart.shop.svc.cluster.local";
    labels[RouteLabel::kDestinationPrincipal] = kCart;
    labels[RouteLabel::kProtocol] = "http";
    labels[RouteLabel::kResponseCode] = code;
    labels[RouteLabel::kResponseFlags] = flags;
    labels[RouteLabel::kSecurityPolicy] = "unknown";
    return labels;
  }
  static TcpLabels Tcp(std::string_view flags = "-") {
    TcpLabels labels{};
    labels[IstioLabel::kReporter] = "source";
    labels[IstioLabel::kSourcePrincipal] = kWeb;
    labels[IstioLabel::kDestinationService] = "redis.shop.svc.cluster.local";
    labels[IstioLabel::kDestinationPrincipal] = kCart;
    labels[IstioLabel::kRequestProtocol] = "tcp";
    labels[IstioLabel::kResponseFlags] = flags;
    return labels;
  }
  void Record(const Labels& labels, double milliseconds) {
    registry_.HistogramRow(telemetry::kRouteRequestDuration, labels).Record(milliseconds);
  }
  Traffic Next() {
    Traffic traffic;
    const telemetry::Registry* all[] = {&registry_};
    changed_ = deltas_.AddTo(telemetry::Collect(all, TrafficFamilies()), traffic);
    return traffic;
  }

  telemetry::Registry registry_;
  TrafficDeltas deltas_;
  bool changed_ = false;
};

TEST_F(TrafficDeltasTest, AReportHasWhatWasGainedSinceTheLastOne) {
  deltas_.Begin(false);
  Record(Outbound(), 0.4);
  Record(Outbound(), 4);
  const Traffic first = Next();
  ASSERT_EQ(first.series_size(), 1);
  const insight::v1::Series& series = first.series(0);
  EXPECT_TRUE(series.outbound());
  EXPECT_TRUE(series.mutual_tls());
  EXPECT_EQ(series.source(), kWeb);
  EXPECT_EQ(series.destination(), kCart);
  EXPECT_EQ(series.service(), "cart.shop.svc.cluster.local");
  EXPECT_EQ(series.response_code(), 200);
  EXPECT_EQ(series.response_flags(), "");
  EXPECT_FALSE(series.has_grpc_status());
  ASSERT_EQ(first.requests_size(), 1);
  EXPECT_EQ(first.requests(0).series(), series.id());
  EXPECT_EQ(
      std::vector<uint32_t>(first.requests(0).buckets().begin(), first.requests(0).buckets().end()),
      (std::vector<uint32_t>{1, 0, 0, 1}));

  Record(Outbound(), 0.4);
  const Traffic second = Next();
  EXPECT_TRUE(changed_);
  EXPECT_EQ(second.series_size(), 0) << "named already";
  ASSERT_EQ(second.requests_size(), 1);
  EXPECT_EQ(second.requests(0).buckets_size(), 1);
  EXPECT_EQ(second.requests(0).buckets(0), 1);

  EXPECT_EQ(Next().requests_size(), 0);
  EXPECT_FALSE(changed_);
}

TEST_F(TrafficDeltasTest, EachStreamNamesItsSeriesAnewAndMissesNothing) {
  deltas_.Begin(false);
  Record(Outbound(), 1);
  Next();
  Record(Outbound(), 1);
  deltas_.Begin(false);
  const Traffic traffic = Next();
  EXPECT_EQ(traffic.series_size(), 1);
  ASSERT_EQ(traffic.requests_size(), 1);
  EXPECT_EQ(traffic.requests(0).buckets(1), 1);
}

TEST_F(TrafficDeltasTest, WhatWasTooLongAgoIsSkippedOnce) {
  Record(Outbound(), 1);
  deltas_.Begin(true);
  EXPECT_EQ(Next().requests_size(), 0);
  Record(Outbound(), 1);
  ASSERT_EQ(Next().requests_size(), 1);
}

TEST_F(TrafficDeltasTest, OutcomesAreSeriesOfTheirOwn) {
  deltas_.Begin(false);
  Record(Outbound("503", "UH"), 1);
  Labels inbound = Outbound("200");
  inbound[RouteLabel::kReporter] = "destination";
  inbound[RouteLabel::kGrpcStatus] = "14";
  inbound[RouteLabel::kSecurityPolicy] = "none";
  Record(inbound, 1);
  const Traffic traffic = Next();
  ASSERT_EQ(traffic.series_size(), 2);
  EXPECT_FALSE(traffic.series(0).outbound());
  EXPECT_FALSE(traffic.series(0).mutual_tls());
  EXPECT_EQ(traffic.series(0).grpc_status(), 14);
  EXPECT_EQ(traffic.series(1).response_code(), 503);
  EXPECT_EQ(traffic.series(1).response_flags(), "UH");
}

TEST_F(TrafficDeltasTest, ASeriesNamesTheRouteAndTheServiceThatWasCalled) {
  deltas_.Begin(false);
  Labels labels = Outbound();
  labels[RouteLabel::kRoute] = "shop/versions[0][0]";
  labels[RouteLabel::kCalledService] = "basket.shop.svc.cluster.local";
  Record(labels, 1);
  labels[RouteLabel::kRoute] = "default";
  labels[RouteLabel::kCalledService] = "";
  Record(labels, 1);
  const Traffic traffic = Next();
  ASSERT_EQ(traffic.series_size(), 2);
  EXPECT_EQ(traffic.series(0).route(), "default");
  EXPECT_EQ(traffic.series(0).called(), "");
  EXPECT_EQ(traffic.series(1).route(), "shop/versions[0][0]");
  EXPECT_EQ(traffic.series(1).called(), "basket.shop.svc.cluster.local");
}

TEST_F(TrafficDeltasTest, AReportIsBoundedAndTheNextOneHasTheRest) {
  deltas_.Begin(false);
  const size_t series = TrafficDeltas::kMostSeries + 10;
  for (size_t i = 0; i < series; ++i) {
    Labels labels = Outbound();
    const std::string service = "host-" + std::to_string(i);
    labels[RouteLabel::kDestinationService] = service;
    Record(labels, 1);
  }
  EXPECT_EQ(Next().requests_size(), static_cast<int>(TrafficDeltas::kMostSeries));
  EXPECT_EQ(Next().requests_size(), 10);
  EXPECT_EQ(Next().requests_size(), 0);
}

TEST_F(TrafficDeltasTest, ASeriesThatExpiredIsCountedFromZero) {
  deltas_.Begin(false);
  const TcpLabels tcp = Tcp();
  const auto expire = [this] {
    telemetry::Registry* const all[] = {&registry_};
    telemetry::RetireIdle(all, TrafficFamilies(), 1, 1);
    ASSERT_TRUE(telemetry::RetireIdle(all, TrafficFamilies(), 2, 1));
    registry_.FreeRetired();
  };
  for (const bool is_noticed : {false, true}) {
    for (int i = 0; i < 5; ++i) Record(Outbound(), 1);
    registry_.CounterRow(telemetry::kIstioTcpOpened, tcp).Add(5);
    Next();
    expire();
    if (is_noticed) {
      EXPECT_EQ(Next().requests_size(), 0);
    }
    Record(Outbound(), 1);
    registry_.CounterRow(telemetry::kIstioTcpOpened, tcp).Add(2);
    const Traffic traffic = Next();
    ASSERT_EQ(traffic.requests_size(), 1);
    EXPECT_EQ(traffic.requests(0).buckets(1), 1);
    ASSERT_EQ(traffic.connections_size(), 1);
    EXPECT_EQ(traffic.connections(0).opened(), 2);
    expire();
    Next();
  }
}

TEST_F(TrafficDeltasTest, NamesOfExpiredSeriesAreUsedUp) {
  deltas_.Begin(false);
  uint32_t named = 0;
  for (; !deltas_.full(); ++named) {
    Labels labels = Outbound();
    const std::string service = "host-" + std::to_string(named);
    labels[RouteLabel::kDestinationService] = service;
    Record(labels, 1);
    ASSERT_EQ(Next().requests_size(), 1);
    telemetry::Registry* const all[] = {&registry_};
    telemetry::RetireIdle(all, TrafficFamilies(), 1, 1);
    telemetry::RetireIdle(all, TrafficFamilies(), 2, 1);
    registry_.FreeRetired();
  }
  EXPECT_LE(named + TrafficDeltas::kMostSeries, TrafficDeltas::kMostNames + 1);
  deltas_.Begin(false);
  EXPECT_FALSE(deltas_.full());
}

TEST_F(TrafficDeltasTest, ConnectionsAreReportedByTheirCounters) {
  deltas_.Begin(false);
  const TcpLabels labels = Tcp();
  registry_.CounterRow(telemetry::kIstioTcpOpened, labels).Add(2);
  registry_.CounterRow(telemetry::kIstioTcpSent, labels).Add(100);
  registry_.CounterRow(telemetry::kIstioTcpReceived, labels).Add(7);
  registry_.CounterRow(telemetry::kIstioTcpClosed, labels);
  const Traffic traffic = Next();
  EXPECT_EQ(traffic.series_size(), 1);
  uint64_t opened = 0, closed = 0, sent = 0, received = 0;
  for (const insight::v1::Connections& each : traffic.connections()) {
    EXPECT_EQ(each.series(), traffic.series(0).id());
    opened += each.opened();
    closed += each.closed();
    sent += each.sent();
    received += each.received();
  }
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(closed, 0);
  EXPECT_EQ(sent, 100);
  EXPECT_EQ(received, 7);
  EXPECT_FALSE((Next(), changed_));
}

// Requests whose series found no room are reported too: as a service that is called "other".
TEST_F(TrafficDeltasTest, WhatFoundNoRoomIsReportedAsOther) {
  deltas_.Begin(false);
  Labels labels;
  labels.fill("other");
  labels[RouteLabel::kReporter] = "source";
  labels[RouteLabel::kResponseCode] = "5xx";
  Record(labels, 1);
  const Traffic traffic = Next();
  ASSERT_EQ(traffic.series_size(), 1);
  const insight::v1::Series& series = traffic.series(0);
  EXPECT_TRUE(series.outbound());
  EXPECT_EQ(series.service(), "other");
  EXPECT_EQ(series.source() + series.destination() + series.protocol() + series.response_flags(),
            "");
  EXPECT_EQ(series.response_code(), 500u);
  EXPECT_FALSE(series.has_grpc_status());
  EXPECT_FALSE(series.mutual_tls());
  ASSERT_EQ(traffic.requests_size(), 1);
  EXPECT_EQ(traffic.requests(0).buckets(1), 1u);
}

}  // namespace
}  // namespace tulle::sidecar
