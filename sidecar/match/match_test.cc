#include <gtest/gtest.h>

#include "net/base/slab.h"
#include "sidecar/match/header_match.h"

namespace tulle::match {
namespace {

class MatchTest : public testing::Test {
 protected:
  static HeaderMatch Compiled(HeaderSpec spec) {
    auto match = HeaderMatch::Compile(std::move(spec));
    EXPECT_TRUE(match.ok()) << match.status();
    return *std::move(match);
  }
  static HeaderMatch Exact(std::string name, std::string value, bool invert = false) {
    return Compiled(
        {std::move(name), StringSpec{StringKind::kExact, std::move(value), false}, invert});
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
};

bool Matches(StringSpec spec, std::string_view value) {
  auto match = StringMatch::Compile(std::move(spec));
  EXPECT_TRUE(match.ok()) << match.status();
  return match.ok() && match->Matches(value);
}

TEST_F(MatchTest, StringsOfEachKind) {
  EXPECT_TRUE(Matches({StringKind::kExact, "Ab"}, "Ab"));
  EXPECT_FALSE(Matches({StringKind::kExact, "Ab"}, "ab"));
  EXPECT_TRUE(Matches({StringKind::kExact, "Ab", true}, "aB"));
  EXPECT_TRUE(Matches({StringKind::kPrefix, "ab", true}, "ABc"));
  EXPECT_FALSE(Matches({StringKind::kPrefix, "ab"}, "a"));
  EXPECT_TRUE(Matches({StringKind::kSuffix, "bc"}, "abc"));
  EXPECT_TRUE(Matches({StringKind::kSuffix, "BC", true}, "abc"));
  EXPECT_TRUE(Matches({StringKind::kContains, "b"}, "abc"));
  EXPECT_FALSE(Matches({StringKind::kContains, "d", true}, "abc"));
  EXPECT_TRUE(Matches({StringKind::kRegex, "a.*c"}, "abbbc"));
  EXPECT_FALSE(Matches({StringKind::kRegex, "a.*c"}, "xabc")) << "the whole string must match";
}

TEST_F(MatchTest, Fault69_HostileRegexesAreRefused) {
  EXPECT_FALSE(CompileRegex("(").ok());
  EXPECT_FALSE(CompileRegex("(?=a)b").ok());
  EXPECT_FALSE(CompileRegex("((a{1,100}){1,100}){1,100}").ok());
  EXPECT_FALSE(CompileRegex(std::string(5000, 'a')).ok());
}

TEST_F(MatchTest, TheSchemesOwnPortDoesNotChangeWhatAnAuthorityMatches) {
  const HeaderMatch host = Exact(":authority", "a.test");
  const HeaderMatch with_port = Exact(":authority", "a.test:80");
  const HeaderMatch secure = Exact("host", "a.test:443");
  const HeaderMatch others = Exact(":authority", "a.test", true);
  for (const char* authority : {"a.test", "a.test:80"}) {
    head_.authority = authority;
    EXPECT_TRUE(host.Matches(head_)) << authority;
    EXPECT_TRUE(with_port.Matches(head_)) << authority;
    EXPECT_FALSE(secure.Matches(head_)) << authority;
    EXPECT_FALSE(others.Matches(head_)) << authority;
  }
  head_.authority = "a.test:443";
  EXPECT_FALSE(host.Matches(head_));
  EXPECT_TRUE(secure.Matches(head_));
  head_.scheme = "https";
  EXPECT_TRUE(host.Matches(head_));
  EXPECT_FALSE(with_port.Matches(head_));
  head_.authority = "a.test";
  EXPECT_TRUE(secure.Matches(head_));
  head_.authority = "a.test:8080";
  EXPECT_FALSE(host.Matches(head_));
  EXPECT_TRUE(others.Matches(head_));
}

TEST_F(MatchTest, AnAddressInBracketsMayHaveAPortToo) {
  const HeaderMatch host = Exact(":authority", "[::1]");
  for (const char* authority : {"[::1]", "[::1]:80"}) {
    head_.authority = authority;
    EXPECT_TRUE(host.Matches(head_)) << authority;
    EXPECT_TRUE(Exact(":authority", "[::1]:80").Matches(head_)) << authority;
  }
}

TEST_F(MatchTest, HeaderByPresenceAndInversion) {
  head_.headers.Add("X-Team", "blue");
  EXPECT_TRUE(Compiled({"x-team", Presence{true}}).Matches(head_));
  EXPECT_FALSE(Compiled({"x-team", Presence{false}}).Matches(head_));
  EXPECT_TRUE(Compiled({"x-other", Presence{false}}).Matches(head_));
  EXPECT_TRUE(Compiled({"x-other", Presence{true}, true}).Matches(head_));
  EXPECT_TRUE(Exact("x-team", "blue").Matches(head_));
  EXPECT_FALSE(Exact("x-team", "blue", true).Matches(head_));
}

TEST_F(MatchTest, MissingHeaderMatchesNoValueUnlessTreatedAsEmpty) {
  EXPECT_FALSE(Exact("x-team", "blue", true).Matches(head_));
  HeaderSpec spec{"x-team", StringSpec{StringKind::kExact, ""}};
  EXPECT_FALSE(Compiled(spec).Matches(head_));
  spec.missing_is_empty = true;
  EXPECT_TRUE(Compiled(spec).Matches(head_));
}

TEST_F(MatchTest, PseudoHeadersAndRanges) {
  head_.method = "POST";
  head_.authority = "a.test";
  head_.headers.Add("x-number", "10");
  EXPECT_TRUE(Exact(":method", "POST").Matches(head_));
  EXPECT_TRUE(Exact("Host", "a.test").Matches(head_));
  EXPECT_TRUE(Compiled({"x-number", IntegerRange{10, 11}}).Matches(head_));
  EXPECT_FALSE(Compiled({"x-number", IntegerRange{0, 10}}).Matches(head_));
  head_.headers.Set("x-number", "10x");
  EXPECT_FALSE(Compiled({"x-number", IntegerRange{0, 100}}).Matches(head_));
  EXPECT_FALSE(HeaderMatch::Compile({":status", Presence{}}).ok());
}

TEST_F(MatchTest, Fault46_RepeatedHeadersDependOnTheRule) {
  head_.headers.Add("x-role", "user");
  head_.headers.Add("X-Role", "admin");
  const HeaderMatch admin = Exact("x-role", "admin");
  EXPECT_TRUE(admin.Matches(head_, Reading::kAnyValue));
  EXPECT_FALSE(admin.Matches(head_, Reading::kEveryValue));
  EXPECT_FALSE(admin.Matches(head_, Reading::kJoined));
  EXPECT_TRUE(Exact("x-role", "user,admin").Matches(head_, Reading::kJoined));
  const HeaderMatch not_admin = Exact("x-role", "admin", true);
  EXPECT_TRUE(not_admin.Matches(head_, Reading::kAnyValue));
  EXPECT_FALSE(not_admin.Matches(head_, Reading::kEveryValue));
}

}  // namespace
}  // namespace tulle::match
