#include "control-plane/insight/taps.h"

#include <gtest/gtest.h>

#include <string>

#include "control-plane/insight/fake_sidecar_for_test.h"
#include "net/loop/sim/simulation.h"

namespace tulle::insight {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TapsTest : public testing::Test {
 protected:
  std::string Open(const std::string& caller = "ann", const std::string& session = "") {
    const auto id = taps_.Open({}, v1::REDACTED, {caller, session});
    return id.ok() ? *id : "";
  }
  bool Read(const std::string& id, const std::string& caller = "ann") {
    return taps_.Read(id, {caller, ""}, [this](Taps::News news) {
      ++read_;
      news_ = std::move(news);
    });
  }
  void Pass(loop::Duration time) { simulation_.RunFor(time); }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  Respondents respondents_;
  Taps taps_{*loop_, respondents_};
  FakeSidecar web_{respondents_, "web"};
  int read_ = 0;
  Taps::News news_;
};

TEST_F(TapsTest, WhatEndsIsReadOnce) {
  const std::string id = Open();
  web_.Answer({"1", "2"}, false);
  ASSERT_TRUE(Read(id));
  EXPECT_EQ(read_, 1);
  EXPECT_EQ(news_.requests.size(), 2u);
  EXPECT_EQ(news_.asked, 1u);
  ASSERT_TRUE(Read(id));
  EXPECT_EQ(read_, 1) << "nothing is new";
  web_.Answer({"3"}, false);
  EXPECT_EQ(read_, 2);
  ASSERT_TRUE(Read(id));
  Pass(milliseconds(1100));
  EXPECT_EQ(read_, 3) << "after a second also without news";
  EXPECT_TRUE(news_.requests.empty());
}

TEST_F(TapsTest, ATapIsItsCreatorsAlone) {
  const std::string id = Open("ann");
  EXPECT_FALSE(Read(id, "bob"));
  EXPECT_FALSE(taps_.Close(id, {"bob", ""}));
  EXPECT_TRUE(taps_.Close(id, {"ann", ""}));
  EXPECT_FALSE(Read(id, "ann"));
}

TEST_F(TapsTest, ClosingEndsTheSidecarsPart) {
  const std::string id = Open();
  const uint32_t question = web_.received.back().question().id();
  ASSERT_TRUE(taps_.Close(id, {"ann", ""}));
  EXPECT_EQ(web_.received.back().end_tap(), question);
  web_.Answer({"late"}, false);
}

TEST_F(TapsTest, ATapThatNobodyReadsEnds) {
  const std::string id = Open();
  Pass(seconds(9));
  ASSERT_TRUE(Read(id));
  Pass(seconds(9));
  EXPECT_EQ(taps_.open(), 1u);
  Pass(seconds(2));
  EXPECT_EQ(taps_.open(), 0u);
  EXPECT_NE(web_.received.back().end_tap(), 0u);
}

TEST_F(TapsTest, WhoConnectsLaterIsAskedToo) {
  const std::string id = Open();
  FakeSidecar cart(respondents_, "cart");
  ASSERT_EQ(cart.received.size(), 1u);
  EXPECT_TRUE(cart.received[0].question().has_tap());
  cart.Answer({"1"}, false);
  cart.Leave();
  ASSERT_TRUE(Read(id));
  EXPECT_EQ(news_.requests.size(), 1u);
}

TEST_F(TapsTest, ASidecarWhosePartIsOverIsAskedAgain) {
  const std::string id = Open();
  web_.Answer({}, true);
  EXPECT_EQ(web_.received.size(), 1u) << "at once: it would go on for ever";
  FakeSidecar cart(respondents_, "cart");
  for (int i = 0; i < 7; ++i) {
    Pass(seconds(9));
    ASSERT_TRUE(Read(id));
  }
  cart.Answer({}, true);
  ASSERT_EQ(cart.received.size(), 2u);
  EXPECT_NE(cart.received[0].question().id(), cart.received[1].question().id());
}

TEST_F(TapsTest, ThereAreFewOfOneAndOfAll) {
  EXPECT_NE(Open("ann"), "");
  EXPECT_NE(Open("ann"), "");
  EXPECT_EQ(Open("ann"), "");
  for (const char* other : {"bob", "bob", "eve", "eve", "rob", "rob"}) EXPECT_NE(Open(other), "");
  EXPECT_EQ(Open("tom"), "");
  Pass(seconds(11));
  EXPECT_NE(Open("tom"), "");
}

TEST_F(TapsTest, TokensOfOneAccountAreApart) {
  const std::string id = Open("tulle-viewer", "token-1");
  EXPECT_FALSE(taps_.Close(id, {"tulle-viewer", "token-2"}));
  EXPECT_NE(Open("tulle-viewer", "token-1"), "");
  EXPECT_EQ(Open("tulle-viewer", "token-1"), "");
  for (const char* token : {"token-2", "token-2", "token-3", "token-3"})
    EXPECT_NE(Open("tulle-viewer", token), "");
  EXPECT_EQ(Open("tulle-viewer", "token-4"), "") << "others must be able to tap too";
  EXPECT_NE(Open("tulle-admin", "token-5"), "");
}

TEST_F(TapsTest, AnUnreadTapMakesRoomForAnotherOfItsOwner) {
  const std::string left = Open("ann");
  Pass(seconds(1));
  const std::string read = Open("ann");
  EXPECT_EQ(Open("ann"), "") << "a pause of a second is none";
  Pass(milliseconds(1500));
  ASSERT_TRUE(Read(read));
  EXPECT_NE(Open("ann"), "");
  EXPECT_FALSE(Read(left)) << "it was not read for longest";
  EXPECT_TRUE(Read(read));
  EXPECT_EQ(Open("ann"), "") << "both are being read";
}

TEST_F(TapsTest, SidecarsAreToldWhichHeadersAreShown) {
  Open();
  EXPECT_EQ(web_.received.back().question().headers(), v1::REDACTED);
}

TEST_F(TapsTest, WhatIsTooMuchIsCounted) {
  const std::string id = Open();
  const std::vector<std::string> many(600, "1");
  web_.Answer(many, false);
  web_.Answer(many, false);
  ASSERT_TRUE(Read(id));
  EXPECT_EQ(news_.requests.size(), Taps::kMostRecords);
  EXPECT_EQ(news_.left_out, 1200 - Taps::kMostRecords);
}

TEST_F(TapsTest, ARefusalIsNews) {
  const std::string id = Open();
  ASSERT_TRUE(Read(id));
  v1::Answer refusal;
  refusal.set_question(web_.received.back().question().id());
  refusal.set_error("4 taps are open");
  web_.Reply(refusal);
  EXPECT_EQ(news_.errors, std::vector<std::string>{"4 taps are open"});
  EXPECT_EQ(web_.received.size(), 1u);
}

}  // namespace
}  // namespace tulle::insight
