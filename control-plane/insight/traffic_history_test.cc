#include "control-plane/insight/traffic_history.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tulle::insight {
namespace {

constexpr int64_t kBegin = 1'800'000'000;
static_assert(kBegin % 60 == 0);

Edge From(const std::string& source, const std::string& service, bool outbound = true) {
  return {source, service, "", "http", outbound, true};
}

class TrafficHistoryTest : public testing::Test {
 protected:
  void Add(const Edge& edge, uint32_t count, int64_t now, Outcome outcome = {200, -1, ""}) {
    book_.AddRequests(*book_.RowOf(edge), outcome, std::vector<uint32_t>{count}, now);
  }

  TrafficBook book_{kBegin};
};

TEST_F(TrafficHistoryTest, EachStepHasItsOwnRequests) {
  Add(From("web", "cart"), 1, kBegin);
  Add(From("web", "cart"), 2, kBegin + 10, {500, -1, ""});
  Add(From("web", "cart"), 4, kBegin + 39);
  Add(From("web", "cart"), 8, kBegin + 40);  // of the step that is not over
  const TrafficHistory history = HistoryOf(book_, {40, 10}, "", kBegin + 45);
  EXPECT_EQ(history.from, kBegin);
  ASSERT_EQ(history.lines.size(), 1);
  const auto& steps = history.lines[0].steps;
  ASSERT_EQ(steps.size(), 4);
  EXPECT_EQ(steps[0].requests, 1);
  EXPECT_EQ(steps[1].requests, 2);
  EXPECT_EQ(steps[1].failures, 2);
  EXPECT_EQ(steps[2].requests, 0);
  EXPECT_EQ(steps[3].requests, 4);
}

TEST_F(TrafficHistoryTest, MinutesAreWholeBeforeAndAfterTheyAreMerged) {
  for (int64_t second = 0; second < 1800; second += 10) {
    Add(From("web", "cart"), 1, kBegin + second);
    book_.Sweep(kBegin + second);
  }
  const TrafficHistory history = HistoryOf(book_, {1800, 60}, "", kBegin + 1800);
  ASSERT_EQ(history.lines.size(), 1);
  for (const Traffic& step : history.lines[0].steps) EXPECT_EQ(step.requests, 6);
}

TEST_F(TrafficHistoryTest, AFineWindowIsNeverMerged) {
  for (int64_t second = 0; second < 900; second += 10) {
    Add(From("web", "cart"), 1, kBegin + second);
    book_.Sweep(kBegin + second);
    if (second < 300) continue;
    const TrafficHistory history = HistoryOf(book_, {240, 10}, "", kBegin + second + 9);
    for (const Traffic& step : history.lines.at(0).steps) ASSERT_EQ(step.requests, 1) << second;
  }
}

TEST_F(TrafficHistoryTest, TheCallerCountsWhereItReports) {
  Add(From("web", "cart", true), 5, kBegin);
  Add(From("web", "cart", false), 5, kBegin);
  Add(From("", "cart", false), 3, kBegin);
  const TrafficHistory history = HistoryOf(book_, {60, 60}, "", kBegin + 60);
  ASSERT_EQ(history.lines.size(), 2);
  EXPECT_EQ(history.lines[0].steps[0].requests, 5);
  EXPECT_EQ(history.lines[1].link.source, "");
  EXPECT_EQ(history.lines[1].steps[0].requests, 3);
}

TEST_F(TrafficHistoryTest, HasOneServiceOrTheBusiestLinks) {
  for (int i = 0; i < 130; ++i) {
    const std::string name = std::to_string(i);
    Add({"web" + name, "cart" + name, "", "http", true, true}, 1 + static_cast<uint32_t>(i),
        kBegin);
  }
  const TrafficHistory all = HistoryOf(book_, {60, 60}, "", kBegin + 60);
  ASSERT_EQ(all.lines.size(), TrafficHistory::kMostLinks);
  EXPECT_EQ(all.left_out, 30);
  EXPECT_EQ(all.lines[0].link.service, "cart129");
  const TrafficHistory one = HistoryOf(book_, {60, 60}, "cart3", kBegin + 60);
  ASSERT_EQ(one.lines.size(), 1);
  EXPECT_EQ(one.lines[0].steps[0].requests, 4);
  EXPECT_EQ(one.left_out, 0);
}

TEST(HistoryRange, KnowsWhatTheBookCanTell) {
  EXPECT_TRUE((HistoryRange{240, 10}.is_valid()));
  EXPECT_TRUE((HistoryRange{3600, 60}.is_valid()));
  EXPECT_TRUE((HistoryRange{3600, 300}.is_valid()));
  EXPECT_FALSE((HistoryRange{300, 10}.is_valid()));
  EXPECT_FALSE((HistoryRange{3600, 30}.is_valid()));
  EXPECT_FALSE((HistoryRange{3660, 60}.is_valid()));
  EXPECT_FALSE((HistoryRange{60, 0}.is_valid()));
  EXPECT_FALSE((HistoryRange{0, 10}.is_valid()));
  EXPECT_FALSE((HistoryRange{100, 60}.is_valid()));
  EXPECT_FALSE((HistoryRange{60, 7}.is_valid()));
}

}  // namespace
}  // namespace tulle::insight
