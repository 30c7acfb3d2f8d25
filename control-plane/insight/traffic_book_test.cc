#include "control-plane/insight/traffic_book.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace tulle::insight {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr int64_t kEver = INT64_MAX;

Edge WebToCart() { return {"spiffe://m/ns/shop/sa/web", "cart.shop", "", "http", true, true}; }

class TrafficBookTest : public testing::Test {
 protected:
  void Add(const Edge& edge, Outcome outcome, std::vector<uint32_t> buckets, int64_t now) {
    book_.AddRequests(*book_.RowOf(edge), outcome, buckets, now);
  }
  Traffic All(int64_t from) {
    Traffic all;
    for (const EdgeTraffic& each : book_.Between(from, kEver)) all.Add(each.traffic);
    return all;
  }

  TrafficBook book_{kNow};
};

TEST_F(TrafficBookTest, AWindowHasTheSlotsSinceItsBeginning) {
  Add(WebToCart(), {200, -1, ""}, {1}, kNow);
  Add(WebToCart(), {503, -1, "UH"}, {0, 2}, kNow + 20);
  EXPECT_EQ(All(kNow).requests, 3);
  EXPECT_EQ(All(kNow).failures, 2);
  EXPECT_EQ(All(kNow + 20).requests, 2);
  EXPECT_EQ(All(kNow + 25).requests, 2) << "of the whole slot";
  EXPECT_TRUE(book_.Between(kNow + 30, kEver).empty());
  EXPECT_EQ(All(kNow).outcomes, (std::map<Outcome, uint64_t>{{{503, -1, "UH"}, 2}}))
      << "plain successes are not listed";
  EXPECT_EQ(book_.SlotStart(kNow - 100), kNow) << "nothing is known of the time before the start";
  EXPECT_EQ(book_.SlotStart(kNow + 25), kNow + 20);
}

TEST_F(TrafficBookTest, TheNewestSlotsAreThoseThatAreOver) {
  const auto newest = [&](int64_t window, int64_t now) {
    const auto [from, until] = book_.Newest(window, now);
    return std::pair(from - kNow, until - kNow);
  };
  EXPECT_EQ(newest(60, kNow), std::pair(int64_t{0}, int64_t{1})) << "at the start";
  EXPECT_EQ(newest(60, kNow + 9), std::pair(int64_t{0}, int64_t{10})) << "what there is";
  EXPECT_EQ(newest(60, kNow + 29), std::pair(int64_t{0}, int64_t{20}));
  EXPECT_EQ(newest(10, kNow + 109), std::pair(int64_t{90}, int64_t{100}));
  EXPECT_EQ(newest(15, kNow + 109), std::pair(int64_t{80}, int64_t{100}));
  Add(WebToCart(), {200, -1, ""}, {1}, kNow + 95);
  Add(WebToCart(), {200, -1, ""}, {4}, kNow + 105);
  EXPECT_EQ(book_.Between(kNow + 90, kNow + 100)[0].traffic.requests, 1u);
  EXPECT_TRUE(book_.Between(kNow + 80, kNow + 90).empty());
}

TEST_F(TrafficBookTest, OldSlotsBecomeMinutesAndThenGo) {
  for (int64_t second = 0; second < 7200; second += 5) {
    Add(WebToCart(), {200, -1, ""}, {1}, kNow + second);
    book_.Sweep(kNow + second);
  }
  EXPECT_EQ(All(kNow + 7200 - 60).requests, 12);
  const uint64_t hour = All(kNow + 3600).requests;
  EXPECT_GE(hour, 700);
  EXPECT_LE(hour, 720);
  EXPECT_GE(All(0).requests, hour);
  EXPECT_LE(All(0).requests, hour + 12 * 2) << "what is older than an hour was dropped";
  EXPECT_LT(book_.bytes(), 100 * 200) << "30 slots of 10 s and 55 of a minute";
}

TEST_F(TrafficBookTest, AWindowThatBeginsInAMinuteHasAllOfIt) {
  for (int64_t second = 0; second <= 600; second += 10) {
    Add(WebToCart(), {200, -1, ""}, {1}, kNow + second);
    book_.Sweep(kNow + second);
  }
  const int64_t from = kNow + 600 - 450;
  EXPECT_EQ(All(from).requests, (kNow + 600 - book_.SlotStart(from)) / 10 + 1)
      << "the time that it covers is told";
}

TEST_F(TrafficBookTest, AClockThatIsSetBackLosesNothing) {
  Add(WebToCart(), {200, -1, ""}, {1}, kNow + 100);
  Add(WebToCart(), {200, -1, ""}, {1}, kNow + 20);
  EXPECT_EQ(All(kNow + 100).requests, 2);
}

TEST_F(TrafficBookTest, RowsThatAreSilentAreForgottenUnlessTheyAreKept) {
  const auto kept = book_.RowOf(WebToCart());
  Edge other = WebToCart();
  other.service = "post.shop";
  Add(other, {200, -1, ""}, {1}, kNow);
  book_.Sweep(kNow + 10);
  EXPECT_EQ(book_.edges(), 2);
  book_.Sweep(kNow + TrafficBook::kKeptSeconds + 61);
  EXPECT_EQ(book_.edges(), 1);
  book_.AddRequests(*kept, {200, -1, ""}, std::vector<uint32_t>{1}, kNow + 4000);
  EXPECT_EQ(All(kNow + 4000).requests, 1);
}

TEST_F(TrafficBookTest, TooManyEdgesShareARow) {
  constexpr size_t kReporters = TrafficBook::kMostEdges / TrafficBook::kMostEdgesOfOne + 2;
  constexpr size_t kEach = TrafficBook::kMostEdgesOfOne + 100;
  for (size_t reporter = 0; reporter < kReporters; ++reporter) {
    for (size_t i = 0; i < kEach; ++i) {
      Edge edge = WebToCart();
      edge.source += std::to_string(reporter);
      edge.service = "host-" + std::to_string(i);
      Add(edge, {200, -1, ""}, {1}, kNow);
    }
  }
  EXPECT_LE(book_.edges(), TrafficBook::kMostEdges + kReporters);
  EXPECT_EQ(All(kNow).requests, kReporters * kEach) << "none is lost";
}

TEST_F(TrafficBookTest, AReporterWithManyEdgesLeavesRoomForOthers) {
  std::vector<std::shared_ptr<TrafficBook::Row>> kept;
  for (size_t i = 0; i < TrafficBook::kMostEdges; ++i) {
    Edge edge = WebToCart();
    edge.service = "host-" + std::to_string(i);
    kept.push_back(book_.RowOf(edge));
  }
  EXPECT_EQ(book_.edges(), TrafficBook::kMostEdgesOfOne + 1);
  Edge other = WebToCart();
  other.source = "spiffe://m/ns/shop/sa/post";
  Add(other, {200, -1, ""}, {1}, kNow);
  EXPECT_EQ(book_.Between(kNow, kEver)[0].edge.service, "cart.shop");
  kept.clear();
  book_.Sweep(kNow + 10);
  Edge edge = WebToCart();
  edge.service = "host-x";
  Add(edge, {200, -1, ""}, {1}, kNow + 10);
  EXPECT_EQ(book_.edges(), 2u) << "rows that are forgotten do not count";
}

// The worst that sidecars can report: every edge busy, with many outcomes.
TEST_F(TrafficBookTest, BeyondItsBudgetTheOldestAreDropped) {
  std::vector<std::shared_ptr<TrafficBook::Row>> rows;
  for (size_t i = 0; i < TrafficBook::kMostEdges; ++i) {
    Edge edge = WebToCart();
    edge.source += std::to_string(i % 20);
    edge.service = "host-" + std::to_string(i);
    rows.push_back(book_.RowOf(edge));
  }
  const std::vector<uint32_t> buckets(kBuckets, 1);
  size_t most = 0;
  for (int64_t second = 0; second < 300; second += 10) {
    for (const auto& row : rows) book_.AddRequests(*row, {500, -1, "UF"}, buckets, kNow + second);
    book_.Sweep(kNow + second);
    most = std::max(most, book_.bytes());
  }
  EXPECT_LT(most, TrafficBook::kMostBytes * 3 / 2);
  EXPECT_GT(All(kNow + 280).requests, 0);
  EXPECT_GT(book_.SlotStart(0), kNow) << "the caller sees from when on it is whole";
}

TEST_F(TrafficBookTest, AReporterWithMoreThanItsShareOfBytesLosesItsOwnOldest) {
  Edge quiet = WebToCart();
  quiet.source = "spiffe://m/ns/shop/sa/post";
  Add(quiet, {200, -1, ""}, {1}, kNow);
  std::vector<std::shared_ptr<TrafficBook::Row>> rows;
  for (size_t i = 0; i < TrafficBook::kMostEdgesOfOne; ++i) {
    Edge edge = WebToCart();
    edge.service = "host-" + std::to_string(i);
    rows.push_back(book_.RowOf(edge));
  }
  const std::vector<uint32_t> buckets(kBuckets, 1);
  bool was_full = false;
  for (int64_t second = 0; second < 3000; second += 10) {
    for (const auto& row : rows) {
      for (uint32_t code = 0; code < TrafficBook::kMostOutcomes; ++code)
        book_.AddRequests(*row, {500 + code, -1, "UF"}, buckets, kNow + second);
    }
    book_.Sweep(kNow + second);
    was_full |= book_.Between(kNow, kNow + 60).size() == 1;
    EXPECT_LE(book_.bytes(), TrafficBook::kMostBytes);
  }
  EXPECT_TRUE(was_full) << "the test fills the book";
  ASSERT_EQ(book_.Between(kNow, kNow + 60).size(), 1u);
  EXPECT_EQ(book_.Between(kNow, kNow + 60)[0].edge, quiet);
  EXPECT_GT(All(kNow + 2990).requests, 0);
  EXPECT_EQ(book_.SlotStart(0), kNow) << "of the others all is told";
}

}  // namespace
}  // namespace tulle::insight
