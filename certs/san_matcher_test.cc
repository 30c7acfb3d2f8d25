#include "certs/san_matcher.h"

#include <gtest/gtest.h>

#include "certs/testing/fixtures.h"

namespace tulle::certs {
namespace {

bool Match(SanMatch match, std::string pattern, std::string_view name, bool ignore_case = false) {
  return SanMatcher::Make(SanType::kUri, match, std::move(pattern), ignore_case)->MatchesText(name);
}

TEST(SanMatcher, KindsOfMatches) {
  EXPECT_TRUE(Match(SanMatch::kExact, "spiffe://td/a", "spiffe://td/a"));
  EXPECT_FALSE(Match(SanMatch::kExact, "spiffe://td/a", "spiffe://td/ab"));
  EXPECT_FALSE(Match(SanMatch::kExact, "spiffe://td/a", "spiffe://td/A"));
  EXPECT_TRUE(Match(SanMatch::kExact, "spiffe://td/A", "spiffe://td/a", true));
  EXPECT_TRUE(Match(SanMatch::kPrefix, "spiffe://td/", "spiffe://td/a"));
  EXPECT_FALSE(Match(SanMatch::kPrefix, "spiffe://td/", "spiffe://td.evil/a"));
  EXPECT_TRUE(Match(SanMatch::kSuffix, "/sa/a", "spiffe://td/ns/x/sa/a"));
  EXPECT_FALSE(Match(SanMatch::kSuffix, "/sa/a", "sa/a"));
  EXPECT_TRUE(Match(SanMatch::kContains, "/ns/x/", "spiffe://td/ns/x/sa/a"));
  EXPECT_TRUE(Match(SanMatch::kRegex, "spiffe://td/ns/[^/]+/sa/a", "spiffe://td/ns/x/sa/a"));
  EXPECT_FALSE(Match(SanMatch::kRegex, "spiffe://td/ns/x", "spiffe://td/ns/x/sa/a"));
}

TEST(SanMatcher, BadRegexIsRefused) {
  EXPECT_FALSE(SanMatcher::Make(SanType::kUri, SanMatch::kRegex, "(").ok());
}

TEST(SanMatcher, DnsNamesAreHostNames) {
  const auto host = SanMatcher::ExactDns("A.example.com");
  EXPECT_TRUE(host.MatchesText("a.EXAMPLE.com"));
  EXPECT_TRUE(host.MatchesText("*.example.com"));
  EXPECT_FALSE(host.MatchesText("*.com"));
  EXPECT_FALSE(host.MatchesText("a*.example.com"));
  EXPECT_FALSE(SanMatcher::ExactDns("a.b.example.com").MatchesText("*.example.com"));
  EXPECT_FALSE(SanMatcher::ExactDns(".example.com").MatchesText("*.example.com"));
}

TEST(SanMatcher, LooksAtItsOwnTypeOnly) {
  testing::TestCa ca;
  const auto leaf = ca.Workload("post", "shop", {"post.shop"}).chain.front();
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/post";
  EXPECT_TRUE(SanMatcher::ExactUri(uri).Matches(leaf));
  EXPECT_TRUE(SanMatcher::ExactDns("post.shop").Matches(leaf));
  EXPECT_FALSE(SanMatcher::ExactDns(uri).Matches(leaf));
  EXPECT_FALSE(SanMatcher::Make(SanType::kIp, SanMatch::kContains, "")->Matches(leaf));
}

TEST(SanMatcher, EmptyListAdmitsAnyName) {
  testing::TestCa ca;
  const auto leaf = ca.Workload("post").chain.front();
  EXPECT_TRUE(MatchesAny({}, leaf));
  const SanMatcher list[] = {SanMatcher::ExactUri("x"),
                             SanMatcher::ExactUri("spiffe://cluster.local/ns/default/sa/post")};
  EXPECT_TRUE(MatchesAny(list, leaf));
  EXPECT_FALSE(MatchesAny(std::span(list, 1), leaf));
}

}  // namespace
}  // namespace tulle::certs
