#include "control-plane/ca/step_agreement.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace tulle::ca {
namespace {

using std::chrono::seconds;

PodSum SumOf(const std::vector<std::string>& uids) {
  PodSum sum;
  for (const std::string& uid : uids) sum.Add(uid);
  return sum;
}

TEST(PodSum, AddsUpToTheSamePodsAlone) {
  PodSum parts = SumOf({"c"});
  parts.Add(SumOf({"b", "a"}));
  EXPECT_EQ(parts, SumOf({"a", "b", "c"}));
  EXPECT_NE(parts, SumOf({"a", "b"})) << "one is missing";
  EXPECT_NE(parts, SumOf({"a", "b", "b"})) << "one is counted twice in place of another";
  EXPECT_NE(parts, SumOf({"a", "b", "c", "c"}));
  EXPECT_EQ(PodSum::Parse(parts.ToText()), parts);
}

TEST(Statement, IsReadAsItWasWritten) {
  for (const bool waits : {false, true}) {
    const Statement written{"renewing@1790000000", SumOf({"a"}), waits};
    const auto read = Statement::Parse(written.ToText() + " 17");
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->step, written.step);
    EXPECT_EQ(read->ready, written.ready);
    EXPECT_EQ(read->waits, waits);
    EXPECT_LT(written.ToText().size(), 150u);
  }
  const std::string sum = PodSum().ToText();
  for (const std::string& text : {std::string(), std::string("step"), "step " + sum,
                                  "step " + sum + "0 pods", "step " + sum.substr(1) + " pods",
                                  "step x" + sum.substr(1) + " pods", "step " + sum + " others"}) {
    EXPECT_FALSE(Statement::Parse(text).has_value()) << text;
  }
}

TEST(StepAgreement, AddsUpWhatIsSaidAboutTheStepAndRepeated) {
  StepAgreement agreement;
  const auto say = [](const std::string& step, const std::string& uid, bool waits, int number) {
    return Statement{step, SumOf({uid}), waits}.ToText() + " " + std::to_string(number);
  };
  std::map<std::string, std::string> said{{"r1", say("s", "a", false, 1)},
                                          {"rotation.tulle.dev/r2", say("s", "b", true, 1)},
                                          {"r3", say("earlier", "c", true, 1)},
                                          {"r4", "nonsense"}};
  const auto sum = [&](seconds now) {
    return agreement.Sum("s", now, StepAgreement::Silent::kWait);
  };
  agreement.Hear(said, seconds(100));
  EXPECT_EQ(sum(seconds(100)).ready, SumOf({"a", "b"}));
  EXPECT_TRUE(sum(seconds(100)).waits);
  said["r1"] = say("s", "a", false, 2);  // it lives; r2 says nothing more
  agreement.Hear(said, seconds(110));
  EXPECT_EQ(sum(seconds(114)).ready, SumOf({"a", "b"}));
  EXPECT_EQ(sum(seconds(115)).ready, SumOf({"a"}));
  EXPECT_TRUE(sum(seconds(115)).waits) << "no other replica may know what r2 waits for";
  EXPECT_EQ(agreement.WhoWaits("s", seconds(114)).heard, std::vector<std::string>{"r2"});
  EXPECT_EQ(agreement.WhoWaits("s", seconds(115)).silent, std::vector<std::string>{"r2"});
  EXPECT_TRUE(agreement.WhoWaits("next", seconds(115)).silent.empty());
  EXPECT_FALSE(agreement.Sum("s", seconds(115), StepAgreement::Silent::kIgnored).waits);
  EXPECT_FALSE(agreement.Sum("next", seconds(115), StepAgreement::Silent::kWait).waits);
  said["rotation.tulle.dev/r2"] = say("s", "b", false, 2);
  agreement.Hear(said, seconds(116));
  EXPECT_FALSE(sum(seconds(116)).waits) << "it is heard again";
  said.erase("rotation.tulle.dev/r2");
  said.erase("r1");
  agreement.Hear(said, seconds(116));
  EXPECT_EQ(sum(seconds(116)).ready, PodSum());
}

}  // namespace
}  // namespace tulle::ca
