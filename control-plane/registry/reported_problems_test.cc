#include "control-plane/registry/reported_problems.h"

#include <gtest/gtest.h>

namespace tulle::registry {
namespace {

using std::chrono::milliseconds;
using Texts = ReportedProblems::Texts;

TEST(ReportedProblems, AreNewsOnceAndEndWithTheNextReport) {
  ReportedProblems problems;
  EXPECT_FALSE(problems.Report("post-1", {}));
  EXPECT_TRUE(problems.Report("post-1", {"listener a: in use"}));
  EXPECT_FALSE(problems.Report("post-1", {"listener a: in use"}));
  EXPECT_EQ(problems.Of("post-1", milliseconds(1)), Texts{"listener a: in use"});
  EXPECT_TRUE(problems.Of("post-2", milliseconds(1)).empty());
  EXPECT_TRUE(problems.Report("post-1", {}));
  EXPECT_TRUE(problems.Of("post-1", milliseconds(1)).empty());
}

TEST(ReportedProblems, ARefusalIsForgottenAMinuteAfterTheLastAttempt) {
  ReportedProblems problems;
  EXPECT_TRUE(problems.Refuse("post-1", "not allowed", milliseconds(1000)));
  EXPECT_FALSE(problems.Refuse("post-1", "not allowed", milliseconds(31000)));
  EXPECT_EQ(problems.Of("post-1", milliseconds(90999)), Texts{"not allowed"});
  EXPECT_TRUE(problems.Of("post-1", milliseconds(91000)).empty());
}

TEST(ReportedProblems, AreBounded) {
  ReportedProblems problems;
  problems.Report("long", Texts(20, std::string(2000, 'x')));
  EXPECT_EQ(problems.Of("long", milliseconds(1)), Texts(10, std::string(500, 'x')));
  for (int i = 0; i < 20000; ++i) {
    problems.Refuse("node-" + std::to_string(i), "no", milliseconds(1));
  }
  EXPECT_TRUE(problems.Of("node-19999", milliseconds(1)).empty());
  // Those that ended make room.
  EXPECT_TRUE(problems.Refuse("late", "no", milliseconds(70000)));
}

}  // namespace
}  // namespace tulle::registry
