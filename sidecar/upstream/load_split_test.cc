#include "sidecar/upstream/load_split.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tulle::upstream {
namespace {

struct Split {
  std::vector<uint32_t> percent;
  std::vector<bool> panic;
};

Split Of(const std::vector<PriorityHealth>& priorities, uint32_t panic_percent = 50,
         uint32_t overprovisioning = 140) {
  Split split;
  for (const PriorityLoad& load : SplitLoad(priorities, overprovisioning, panic_percent)) {
    split.percent.push_back(load.percent);
    split.panic.push_back(load.panic);
  }
  return split;
}

using Percent = std::vector<uint32_t>;
using Panic = std::vector<bool>;

TEST(LoadSplit, NoEndpoints) {
  EXPECT_EQ(Of({}).percent, Percent());
  EXPECT_EQ(Of({{0, 4}}, 0).percent, Percent{0});
  EXPECT_EQ(Of({{0, 0}}).percent, Percent{0});
}

// The table of Envoy's documentation on priority levels, healthy percentages of two priorities.
TEST(LoadSplit, SpillsOverSmoothly) {
  EXPECT_EQ(Of({{100, 100}, {100, 100}}).percent, (Percent{100, 0}));
  EXPECT_EQ(Of({{72, 100}, {72, 100}}).percent, (Percent{100, 0}));
  EXPECT_EQ(Of({{71, 100}, {71, 100}}).percent, (Percent{99, 1}));
  EXPECT_EQ(Of({{50, 100}, {50, 100}}).percent, (Percent{70, 30}));
  EXPECT_EQ(Of({{25, 100}, {100, 100}}).percent, (Percent{35, 65}));
  EXPECT_EQ(Of({{0, 100}, {100, 100}}).percent, (Percent{0, 100}));
  // Together less than the whole: in proportion.
  EXPECT_EQ(Of({{25, 100}, {25, 100}}, 0).percent, (Percent{50, 50}));
  EXPECT_EQ(Of({{0, 100}, {20, 100}, {100, 100}}).percent, (Percent{0, 28, 72}));
}

TEST(LoadSplit, OverprovisioningIsWhatItSays) {
  EXPECT_EQ(Of({{80, 100}, {100, 100}}, 50, 100).percent, (Percent{80, 20}));
  EXPECT_EQ(Of({{50, 100}, {100, 100}}, 50, 200).percent, (Percent{100, 0}));
}

TEST(LoadSplit, Fault74_PanicIsPerPriorityAndOnlyWhileTheWholeCannotBeTaken) {
  Split split = Of({{49, 100}, {100, 100}});
  EXPECT_EQ(split.panic, (Panic{false, false}));
  // 5 % and 55 % healthy take 7 and 77: the first is in panic.
  split = Of({{5, 100}, {55, 100}});
  EXPECT_EQ(split.panic, (Panic{true, false}));
  EXPECT_EQ(split.percent[0] + split.percent[1], 100u);
  EXPECT_EQ(Of({{5, 100}, {55, 100}}, 0).panic, (Panic{false, false}));
}

TEST(LoadSplit, Fault74_InPanicEverywhereEachTakesItsShareOfEndpoints) {
  const Split split = Of({{0, 30}, {0, 10}, {0, 0}});
  EXPECT_EQ(split.panic, (Panic{true, true, true}));
  EXPECT_EQ(split.percent, (Percent{75, 25, 0}));
  EXPECT_EQ(Of({{4, 10}}).percent, Percent{100});
  EXPECT_EQ(Of({{4, 10}}).panic, Panic{true});
}

TEST(LoadSplit, RoundingLosesNothing) {
  EXPECT_EQ(Of({{0, 1}, {0, 1}, {0, 1}}).percent, (Percent{34, 33, 33}));
  EXPECT_EQ(Of({{0, 9}, {1, 9}, {1, 9}, {1, 9}}, 0).percent, (Percent{0, 34, 33, 33}));
}

}  // namespace
}  // namespace tulle::upstream
