#include "k8s/init/saved_rules.h"

#include <gtest/gtest.h>

namespace tulle::init {
namespace {

TEST(SavedRules, OfOneChainInOrderWithTheirCounters) {
  constexpr char kSaved[] =
      "# Generated\n*nat\n:OUTPUT ACCEPT [7:9]\n-A OUTPUT -p udp -j ONE\n"
      "[12:720] -A OUTPUT -p tcp -j TWO\n[1:2] -A OUTPUT_2 -j NO\n[bad\n[\nCOMMIT\n";
  const std::vector<SavedRule> rules = RulesOfChain(kSaved, "OUTPUT");
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].text, "-p udp -j ONE");
  EXPECT_EQ(rules[0].packets, -1);
  EXPECT_EQ(rules[1].text, "-p tcp -j TWO");
  EXPECT_EQ(rules[1].packets, 12);
}

TEST(SavedRules, WhatMayTakeATcpConnection) {
  for (const char* takes :
       {"-j ACCEPT", "-p tcp -m tcp --dport 8080 -j ACCEPT", "-j DOCKER", "-g CHAIN",
        "-d 10.0.0.1/32 -p tcp -j DNAT --to-destination 10.0.0.2", "! -p udp -j RETURN",
        "-p all -j RETURN", "-m comment --comment \"for -p udp -j LOG\" -j RETURN",
        "-m comment --comment \"a \\\" -j LOG \" -j RETURN", "-m comment --comment -p -j ACCEPT"}) {
    EXPECT_TRUE(MayTakeTcp(takes)) << takes;
  }
  for (const char* does_not :
       {"-p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.2:53", "! -p tcp -j ACCEPT",
        "-p icmp -j ACCEPT", "-p tcp", "-d 10.0.0.1/32", "-j LOG --log-prefix \"-j ACCEPT\"",
        "-j NFLOG", ""}) {
    EXPECT_FALSE(MayTakeTcp(does_not)) << does_not;
  }
}

}  // namespace
}  // namespace tulle::init
