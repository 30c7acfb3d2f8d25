#include "sidecar/proxy/chain_match.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/protocol_detection.h"

namespace tulle::proxy {
namespace {

using config::ChainMatch;
using Prefixes = std::vector<std::pair<SocketAddress, uint8_t>>;

Prefixes Prefix(const std::string& ip, uint8_t bits) {
  return {{*SocketAddress::Parse(ip, 0), bits}};
}

class ChainMatchTest : public testing::Test {
 protected:
  bool Holds(const ChainMatch& match) const { return Matches(match, arrival_); }
  // Both match, and `a` is the one that is taken.
  bool Wins(const ChainMatch& a, const ChainMatch& b) const {
    EXPECT_TRUE(Holds(a));
    EXPECT_TRUE(Holds(b));
    return MoreSpecific(a, b, arrival_) && !MoreSpecific(b, a, arrival_);
  }

  Offer offer_{.is_tls = true,
               .server_name = "shop.example.com",
               .application_protocols = {"istio-h2", "h2"}};
  Arrival arrival_{*SocketAddress::Parse("10.1.2.3", 8080), *SocketAddress::Parse("10.9.8.7", 4711),
                   offer_};
};

// One criterion each, in FilterChainMatch's order; all hold for the arrival.
std::vector<ChainMatch> Criteria() {
  std::vector<ChainMatch> all(6);
  all[0].destination_port = 8080;
  all[1].destination_prefixes = Prefix("10.0.0.0", 8);
  all[2].server_names = {"*.com"};
  all[3].transport_protocol = "tls";
  all[4].application_protocols = {"h2"};
  all[5].source_prefixes = Prefix("10.0.0.0", 8);
  return all;
}

TEST_F(ChainMatchTest, AnEmptyMatchTakesAll) { EXPECT_TRUE(Holds({})); }

TEST_F(ChainMatchTest, EachCriterionBeatsNoneAndAllThatComeAfterIt) {
  const std::vector<ChainMatch> all = Criteria();
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(Wins(all[i], {})) << i;
    for (size_t j = i + 1; j < all.size(); ++j) EXPECT_TRUE(Wins(all[i], all[j])) << i << " " << j;
  }
  ChainMatch later = all[1];
  later.server_names = {"shop.example.com"};
  later.transport_protocol = "tls";
  later.application_protocols = {"h2"};
  later.source_prefixes = Prefix("10.9.8.7", 32);
  EXPECT_TRUE(Wins(all[0], later)) << "the port decides before all that follow together";
}

TEST_F(ChainMatchTest, EqualMatchesAreEquallySpecific) {
  for (const ChainMatch& match : Criteria()) EXPECT_FALSE(MoreSpecific(match, match, arrival_));
}

TEST_F(ChainMatchTest, OneCriterionThatFailsIsNoMatch) {
  std::vector<ChainMatch> wrong(6);
  wrong[0].destination_port = 8081;
  wrong[1].destination_prefixes = Prefix("10.2.0.0", 16);
  wrong[2].server_names = {"example.com", "*.example.org"};
  wrong[3].transport_protocol = "raw_buffer";
  wrong[4].application_protocols = {"istio", "http/1.1"};
  wrong[5].source_prefixes = Prefix("10.9.8.0", 30);
  for (size_t i = 0; i < wrong.size(); ++i) EXPECT_FALSE(Holds(wrong[i])) << i;
  ChainMatch mixed = Criteria()[0];
  mixed.source_prefixes = wrong[5].source_prefixes;
  EXPECT_FALSE(Holds(mixed));
}

TEST_F(ChainMatchTest, LongestPrefixWins) {
  ChainMatch wide, narrow;
  wide.destination_prefixes = Prefix("10.0.0.0", 8);
  narrow.destination_prefixes = Prefix("10.1.2.0", 23);
  narrow.destination_prefixes.push_back(Prefix("192.168.0.0", 16).front());
  EXPECT_TRUE(Wins(narrow, wide));
  wide = narrow = {};
  wide.source_prefixes = Prefix("10.9.0.0", 16);
  narrow.source_prefixes = Prefix("10.9.8.6", 31);
  EXPECT_TRUE(Wins(narrow, wide));
}

TEST_F(ChainMatchTest, PrefixesEndAtTheirBit) {
  ChainMatch match;
  match.destination_prefixes = Prefix("10.1.3.0", 23);  // 10.1.2.0 to 10.1.3.255
  EXPECT_TRUE(Holds(match));
  match.destination_prefixes = Prefix("10.1.3.0", 24);
  EXPECT_FALSE(Holds(match));
  match.destination_prefixes = Prefix("0.0.0.0", 0);
  EXPECT_TRUE(Holds(match));
  match.destination_prefixes = Prefix("::", 0);
  EXPECT_FALSE(Holds(match)) << "an IPv6 prefix takes no IPv4 address";
}

TEST_F(ChainMatchTest, ExactServerNameBeatsTheLongestSuffix) {
  ChainMatch exact, longer, shorter;
  exact.server_names = {"shop.example.com"};
  longer.server_names = {"*.example.com"};
  shorter.server_names = {"*.com"};
  EXPECT_TRUE(Wins(exact, longer));
  EXPECT_TRUE(Wins(longer, shorter));
  EXPECT_TRUE(Wins(exact, shorter));
}

TEST_F(ChainMatchTest, SuffixesCoverWholeLabelsBelowThem) {
  ChainMatch match;
  match.server_names = {"*.example.com"};
  const auto holds = [&](const std::string& name) {
    offer_.server_name = name;
    return Holds(match);
  };
  EXPECT_TRUE(holds("a.b.example.com"));
  EXPECT_FALSE(holds("example.com"));
  EXPECT_FALSE(holds(".example.com"));
  EXPECT_FALSE(holds("badexample.com"));
  EXPECT_FALSE(holds(""));
}

TEST_F(ChainMatchTest, PlaintextIsRawBuffer) {
  offer_ = {};
  ChainMatch raw, tls;
  raw.transport_protocol = "raw_buffer";
  tls.transport_protocol = "tls";
  EXPECT_TRUE(Holds(raw));
  EXPECT_FALSE(Holds(tls));
}

TEST_F(ChainMatchTest, OnlyWhatTheFirstBytesTellNeedsThem) {
  const std::vector<bool> expected = {false, false, true, true, true, false};
  const std::vector<ChainMatch> all = Criteria();
  for (size_t i = 0; i < all.size(); ++i) {
    config::ListenerSpec listener;
    listener.chains.push_back(std::make_shared<config::FilterChainSpec>());
    auto chain = std::make_shared<config::FilterChainSpec>();
    chain->match = all[i];
    listener.chains.push_back(chain);
    EXPECT_EQ(NeedsOffer(listener), expected[i]) << i;
  }
}

TEST(Misdirected, Fault90_ANameOfAnotherChain) {
  const std::vector<std::string> own{"a.test", "*.a.test"};
  const std::vector<std::string> elsewhere{"b.test", "*.wild.test", "deep.a.test"};
  EXPECT_FALSE(IsMisdirected("a.test", "a.test", own, elsewhere));
  EXPECT_FALSE(IsMisdirected("x.a.test", "a.test", own, elsewhere)) << "of the same chain";
  EXPECT_TRUE(IsMisdirected("b.test", "a.test", own, elsewhere));
  EXPECT_TRUE(IsMisdirected("x.wild.test", "a.test", own, elsewhere));
  EXPECT_TRUE(IsMisdirected("deep.a.test", "a.test", own, elsewhere)) << "more exact elsewhere";
  EXPECT_FALSE(IsMisdirected("unknown.test", "a.test", own, elsewhere)) << "of no chain";
  EXPECT_FALSE(IsMisdirected("b.test", "a.test", own, {}));
}

TEST(Misdirected, Fault90_WhatWasAskedForByNameIsNever) {
  // Another criterion was worth more than the names.
  EXPECT_FALSE(IsMisdirected("a.test", "a.test", {"*.test"}, {"a.test"}));
}

TEST(Misdirected, Fault90_NamesBetweenSidecarsAreNoHosts) {
  for (const char* sni : {"outbound_.80_._.web.default.svc.cluster.local", "", "a_b.test"}) {
    EXPECT_FALSE(IsMisdirected("b.test", sni, {sni}, {"b.test"})) << sni;
  }
}

}  // namespace
}  // namespace tulle::proxy
