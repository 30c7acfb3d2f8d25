#include "net/tls/peer_revalidation.h"

#include <gtest/gtest.h>

#include "certs/testing/fixtures.h"
#include "net/loop/sim/simulation.h"

namespace tulle::tls {
namespace {

using certs::SanMatcher;
using certs::testing::TestCa;

class WidensTest : public testing::Test {
 protected:
  static std::shared_ptr<const certs::TrustBundle> Share(certs::TrustBundle bundle) {
    return std::make_shared<const certs::TrustBundle>(std::move(bundle));
  }
  bool Widens(const PeerRequirements& before, const PeerRequirements& after) {
    return PeerRevalidation(*loop_).Widens(before, after);
  }

  sim::Simulation simulation_{3};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  TestCa ca_{"d", 1}, next_{"d", 2};
  PeerRequirements now_{Share(ca_.Bundle()), true, true, certs::PeerRole::kClient, {}};
};

TEST_F(WidensTest, WhatIsTheSame) {
  PeerRequirements same = now_;
  EXPECT_TRUE(Widens(now_, same));
  same.trust = Share(ca_.Bundle());  // parsed again, as after a push
  EXPECT_TRUE(Widens(now_, same));
  now_.san_matchers = same.san_matchers = {SanMatcher::ExactUri("spiffe://d/a")};
  EXPECT_TRUE(Widens(now_, same));
}

TEST_F(WidensTest, RootsThatComeAndGo) {
  PeerRequirements both = now_, fresh = now_, none = now_;
  both.trust = Share(certs::TrustBundle::OfDomain(
      "d", {ca_.authority().certificate(), next_.authority().certificate()}));
  fresh.trust = Share(next_.Bundle());
  none.trust = nullptr;
  EXPECT_TRUE(Widens(now_, both));
  EXPECT_FALSE(Widens(both, now_));
  EXPECT_FALSE(Widens(both, fresh));
  EXPECT_FALSE(Widens(now_, fresh));
  EXPECT_TRUE(Widens(now_, none));
  EXPECT_FALSE(Widens(none, now_));
}

TEST_F(WidensTest, NamesThatComeAndGo) {
  const SanMatcher a = SanMatcher::ExactUri("spiffe://d/a"),
                   b = SanMatcher::ExactUri("spiffe://d/b");
  PeerRequirements one = now_, two = now_, other = now_;
  one.san_matchers = {a};
  two.san_matchers = {b, a};
  other.san_matchers = {
      *SanMatcher::Make(certs::SanType::kDns, certs::SanMatch::kExact, "spiffe://d/a")};
  EXPECT_TRUE(Widens(one, two));
  EXPECT_FALSE(Widens(two, one));
  EXPECT_TRUE(Widens(two, now_));   // any name
  EXPECT_FALSE(Widens(now_, two));  // had any
  EXPECT_FALSE(Widens(one, other));
}

TEST_F(WidensTest, Demands) {
  PeerRequirements lax = now_;
  lax.require_certificate = false;
  EXPECT_TRUE(Widens(now_, lax));
  EXPECT_FALSE(Widens(lax, now_));
  lax = now_;
  lax.require_spiffe = false;
  EXPECT_TRUE(Widens(now_, lax));
  EXPECT_FALSE(Widens(lax, now_));
}

}  // namespace
}  // namespace tulle::tls
