#include "k8s/init/redirection.h"

#include <gtest/gtest.h>

namespace tulle::init {
namespace {

size_t At(const std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part << " is not in\n" << text;
  return at;
}

TEST(Redirection, RulesOfIpv4) {
  Redirection redirection;
  redirection.exclude_outbound_ports = {3306};
  redirection.exclude_outbound_ranges = {"10.0.0.0/8", "fd00::/8"};
  EXPECT_EQ(RulesFor(redirection, Family::kV4, ""),
            "*nat\n"
            ":TULLE_INBOUND - [0:0]\n"
            ":TULLE_IN_REDIRECT - [0:0]\n"
            ":TULLE_OUTPUT - [0:0]\n"
            ":TULLE_REDIRECT - [0:0]\n"
            ":TULLE_VIP - [0:0]\n"
            "-A TULLE_INBOUND -p tcp --dport 15012 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp --dport 15014 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp --dport 15016 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp --dport 15017 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp --dport 15021 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp --dport 15090 -j RETURN\n"
            "-A TULLE_INBOUND -p tcp -j TULLE_IN_REDIRECT\n"
            "-A TULLE_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006\n"
            "-A TULLE_OUTPUT -d 240.240.0.0/16 -p tcp -j TULLE_VIP\n"
            "-A TULLE_VIP -m owner --uid-owner 1337 -j RETURN\n"
            "-A TULLE_VIP -m owner --gid-owner 1337 -j RETURN\n"
            "-A TULLE_VIP -p tcp --dport 3306 -j RETURN\n"
            "-A TULLE_VIP -p tcp -j TULLE_REDIRECT\n"
            "-A TULLE_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN\n"
            "-A TULLE_OUTPUT ! -d 127.0.0.0/8 -o lo -p tcp -m owner --uid-owner 1337 -j "
            "TULLE_INBOUND\n"
            "-A TULLE_OUTPUT ! -d 127.0.0.0/8 -o lo -p tcp -m owner --gid-owner 1337 -j "
            "TULLE_INBOUND\n"
            "-A TULLE_OUTPUT -o lo -j RETURN\n"
            "-A TULLE_OUTPUT -m owner --uid-owner 1337 -j RETURN\n"
            "-A TULLE_OUTPUT -m owner --gid-owner 1337 -j RETURN\n"
            "-A TULLE_OUTPUT -d 127.0.0.0/8 -j RETURN\n"
            "-A TULLE_OUTPUT -d 10.0.0.0/8 -j RETURN\n"
            "-A TULLE_OUTPUT -p tcp --dport 3306 -j RETURN\n"
            "-A TULLE_OUTPUT -p tcp -j TULLE_REDIRECT\n"
            "-A TULLE_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n"
            "-I PREROUTING 1 -p tcp -m addrtype --dst-type LOCAL -j TULLE_INBOUND\n"
            "-I OUTPUT 1 -p tcp -j TULLE_OUTPUT\n"
            "COMMIT\n");
}

TEST(Redirection, VirtualAddressesComeBeforeEveryRuleOnLoopback) {
  const std::string rules = RulesFor(Redirection(), Family::kV4, "");
  EXPECT_LT(At(rules, "-A TULLE_OUTPUT -d 240.240.0.0/16"), At(rules, "-o lo"));
}

TEST(Redirection, RulesOfIpv6UseOnlyIpv6Addresses) {
  Redirection redirection;
  redirection.exclude_outbound_ranges = {"10.0.0.0/8", "fd00::/8"};
  const std::string rules = RulesFor(redirection, Family::kV6, "");
  At(rules, "-s ::6/128 -o lo");
  At(rules, "! -d ::1/128 -o lo");
  At(rules, "-d fd00::/8 -j RETURN");
  EXPECT_EQ(rules.find("240.240"), std::string::npos);
  EXPECT_EQ(rules.find("10.0.0.0"), std::string::npos);
  EXPECT_EQ(rules.find("127."), std::string::npos);
}

TEST(Redirection, OnlyIncludedPortsAreRedirected) {
  Redirection redirection;
  redirection.include_inbound_ports = {8080};
  redirection.include_outbound_ranges = {"10.0.0.0/8"};
  const std::string rules = RulesFor(redirection, Family::kV4, "");
  At(rules, "-A TULLE_INBOUND -p tcp --dport 8080 -j TULLE_IN_REDIRECT\n");
  At(rules, "-A TULLE_OUTPUT -d 10.0.0.0/8 -p tcp -j TULLE_REDIRECT\n");
  EXPECT_EQ(rules.find("-A TULLE_INBOUND -p tcp -j TULLE_IN_REDIRECT"), std::string::npos);
  EXPECT_EQ(rules.find("-A TULLE_OUTPUT -p tcp -j TULLE_REDIRECT"), std::string::npos);
}

constexpr char kSaved[] =
    "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:TULLE_OUTPUT - [0:0]\n:TULLE_REDIRECT - "
    "[0:0]\n"
    "[1:60] -A PREROUTING -p udp -j DOCKER\n"
    "-A OUTPUT -p tcp -j TULLE_OUTPUT\n-A OUTPUT -p tcp -j TULLE_OUTPUT\n"
    "-A TULLE_OUTPUT -p tcp -j TULLE_REDIRECT\nCOMMIT\n";

TEST(Redirection, ASecondRunReplacesTheFirst) {
  const std::string rules = RulesFor(Redirection(), Family::kV4, kSaved);
  const std::string deletion = "-D OUTPUT -p tcp -j TULLE_OUTPUT\n";
  EXPECT_EQ(At(rules, deletion + deletion), rules.find(deletion));
  EXPECT_EQ(rules.find("-D TULLE"), std::string::npos);
  EXPECT_LT(At(rules, deletion), At(rules, "-I OUTPUT 1"));
}

TEST(Redirection, RemovalKeepsOtherRules) {
  EXPECT_EQ(RemovalOf(kSaved),
            "*nat\n:TULLE_OUTPUT - [0:0]\n:TULLE_REDIRECT - [0:0]\n"
            "-D OUTPUT -p tcp -j TULLE_OUTPUT\n-D OUTPUT -p tcp -j TULLE_OUTPUT\n"
            "-X TULLE_OUTPUT\n-X TULLE_REDIRECT\nCOMMIT\n");
  EXPECT_EQ(RemovalOf("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), "");
}

TEST(Redirection, AJumpThatMatchesForwardedTrafficIsReplaced) {
  At(RulesFor(Redirection(), Family::kV4, "-A PREROUTING -p tcp -j TULLE_INBOUND\n"),
     "-D PREROUTING -p tcp -j TULLE_INBOUND\n");
}

TEST(Redirection, Ranges) {
  for (const char* good : {"10.0.0.0/8", "10.1.2.3", "::1", "fd00::/64", "0.0.0.0/0"}) {
    EXPECT_TRUE(IsRange(good)) << good;
  }
  for (const char* bad : {"", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "a/8", "10.0.0.0/",
                          "10.0.0.0/-1", "10.0.0.0/8 -j ACCEPT"}) {
    EXPECT_FALSE(IsRange(bad)) << bad;
  }
  EXPECT_TRUE(IsOf(Family::kV6, "::1"));
  EXPECT_FALSE(IsOf(Family::kV4, "::1"));
}

TEST(Redirection, RangesContainTheirAddresses) {
  EXPECT_TRUE(IsIn("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(IsIn("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(IsIn("192.0.2.0/23", "192.0.3.0"));
  EXPECT_TRUE(IsIn("0.0.0.0/0", "192.0.2.1"));
  EXPECT_TRUE(IsIn("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(IsIn("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(IsIn("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(IsIn("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_FALSE(IsIn("::/0", "192.0.2.1"));
}

}  // namespace
}  // namespace tulle::init
