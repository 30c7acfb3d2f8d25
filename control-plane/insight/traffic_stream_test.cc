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
  TrafficStream stream_{book_, kWeb, [](const std::string& host, const std::string& reporter) {
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
  series = Outbound();
  series.set_response_flags("uf");
  EXPECT_TRUE(is_refused(series));
  series.set_response_flags(std::string(TrafficStream::kLongestFlags + 1, 'U'));
  EXPECT_TRUE(is_refused(series));
  series.set_response_flags("UF,URX");
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
    ASSERT_TRUE(stream_.Add(Report(series, UINT32_MAX), kNow)) << id;
  }
  series.set_id(TrafficStream::kMostSeries + 1);
  EXPECT_FALSE(stream_.Add(Report(series), kNow));
  EXPECT_EQ(book_.Between(kNow, INT64_MAX)[0].traffic.requests, UINT32_MAX) << "counts do not wrap";
  v1::Traffic traffic;
  auto& counted = *traffic.add_requests();
  counted.set_series(1);
  for (size_t i = 0; i <= kBuckets; ++i) counted.add_buckets(1);
  EXPECT_FALSE(stream_.Add(traffic, kNow));
}

}  // namespace
}  // namespace tulle::insight
