#include "control-plane/server/guest_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"

namespace tulle::server {
namespace {

using std::chrono::seconds;

class GuestListTest : public testing::Test {
 protected:
  class Visitor final : public GuestList::Guest {
   public:
    Visitor(GuestListTest& test, std::string name) : test_(test), name_(std::move(name)) {}
    void OnDismissed(Dismissal why) override {
      test_.dismissed_ += name_ + (why == Dismissal::kTimeout ? " late, " : " crowded, ");
    }

   private:
    GuestListTest& test_;
    const std::string name_;
  };

  Visitor& Admit(const std::string& name, const std::string& address) {
    visitors_.push_back(std::make_unique<Visitor>(*this, name));
    list_.Admit(*visitors_.back(), *SocketAddress::Parse(address, 1234));
    return *visitors_.back();
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Deadlines deadlines_{*loop_};
  std::string dismissed_;
  GuestList list_{deadlines_, {.most = 4, .patience = seconds(5)}};
  std::vector<std::unique_ptr<Visitor>> visitors_;
};

TEST_F(GuestListTest, TheSourceWithTheMostGuestsLosesItsOldest) {
  Admit("a1", "192.0.2.1");
  Admit("b1", "192.0.2.2");
  Admit("b2", "192.0.2.2");
  Admit("c1", "192.0.2.3");
  EXPECT_EQ(dismissed_, "");
  Admit("a2", "192.0.2.1");
  EXPECT_EQ(dismissed_, "a1 crowded, ") << "of two with as many, the older";
  Admit("d1", "192.0.2.4");
  EXPECT_EQ(dismissed_, "a1 crowded, b1 crowded, ");
  EXPECT_EQ(list_.size(), 4);
  EXPECT_EQ(list_.dismissed(Dismissal::kNoRoom), 2);
  EXPECT_EQ(list_.last_dismissed().host(), "192.0.2.2");
}

TEST_F(GuestListTest, AFloodFromOneSourceMovesItselfAlone) {
  Admit("admin", "192.0.2.9");
  for (int i = 0; i < 100; ++i) Admit("flood", "192.0.2.1");
  EXPECT_EQ(dismissed_.find("admin"), std::string::npos);
  EXPECT_EQ(list_.dismissed(Dismissal::kNoRoom), 97);
}

// The host of an IPv6 network may use any of its addresses.
TEST_F(GuestListTest, AnIpv6NetworkIsOneSource) {
  Admit("other", "2001:db8:0:2::1");
  for (int i = 1; i < 10; ++i) Admit("flood", "2001:db8:0:1::" + std::to_string(i));
  EXPECT_EQ(dismissed_.find("other"), std::string::npos);
  EXPECT_EQ(list_.dismissed(Dismissal::kNoRoom), 6);
}

TEST_F(GuestListTest, AGuestHasUntilItsDeadline) {
  Visitor& known = Admit("known", "192.0.2.1");
  Admit("slow", "192.0.2.1");
  simulation_.RunFor(seconds(3));
  Admit("later", "192.0.2.1");
  known.Leave();
  EXPECT_FALSE(known.is_guest());
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(dismissed_, "slow late, ");
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(dismissed_, "slow late, later late, ");
  EXPECT_EQ(list_.size(), 0);
}

TEST_F(GuestListTest, AnIdentityMakesRoom) {
  for (int i = 0; i < 20; ++i) Admit("sidecar", "192.0.2.1").Leave();
  EXPECT_EQ(dismissed_, "");
  EXPECT_EQ(list_.size(), 0);
}

TEST_F(GuestListTest, GuestsMayOutliveTheList) {
  auto visitor = std::make_unique<Visitor>(*this, "late");
  {
    GuestList list(deadlines_, {});
    list.Admit(*visitor, *SocketAddress::Parse("192.0.2.1", 1));
  }
  EXPECT_FALSE(visitor->is_guest());
  visitor.reset();
  simulation_.RunFor(seconds(10));
  EXPECT_EQ(dismissed_, "");
}

}  // namespace
}  // namespace tulle::server
