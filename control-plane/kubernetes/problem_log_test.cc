#include "control-plane/kubernetes/problem_log.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/loop/sim/simulation.h"

namespace tulle::kubernetes {
namespace {

class Lines final : public telemetry::Log::Sink {
 public:
  explicit Lines(std::vector<std::string>* lines) : lines_(lines) {}
  void Write(std::string_view line) override { lines_->emplace_back(line); }

 private:
  std::vector<std::string>* lines_;
};

class ProblemLogTest : public testing::Test {
 protected:
  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  std::vector<std::string> lines_;
  telemetry::Log log_{telemetry::LogLevel::kInfo, telemetry::Log::Form::kText,
                      std::make_unique<Lines>(&lines_)};
  ProblemLog problems_{*loop_, log_, telemetry::LogComponent::kCa};
};

TEST_F(ProblemLogTest, StrangersDoNotChooseHowManyLinesThereAre) {
  for (int i = 0; i < 1000; ++i) problems_.Report(absl::StrCat("refused ", i));
  EXPECT_EQ(lines_.size(), 20u);
  simulation_.RunFor(std::chrono::seconds(11));
  problems_.Report("later");
  ASSERT_EQ(lines_.size(), 21u);
  EXPECT_TRUE(absl::StrContains(lines_.back(), "later (980 lines were left out)")) << lines_.back();
}

TEST_F(ProblemLogTest, TheSameTextIsRepeatedOnceAMinute) {
  for (int i = 0; i < 90; ++i) {
    problems_.Report("away");
    simulation_.RunFor(std::chrono::seconds(1));
  }
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_TRUE(absl::StrContains(lines_.back(), "away (59 lines were left out)")) << lines_.back();
}

}  // namespace
}  // namespace tulle::kubernetes
