#include "sidecar/route/path.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/slab.h"

namespace tulle::route {
namespace {

class PathTest : public testing::Test {
 protected:
  // The normal form, "400" or "307 PATH".
  std::string Normal(std::string_view path, PathRules rules = {}) {
    const NormalizedPath normal = NormalizePath(path, rules, arena_);
    switch (normal.verdict) {
      case PathVerdict::kAccepted:
        return std::string(normal.path);
      case PathVerdict::kRefused:
        return "400";
      case PathVerdict::kRedirected:
        return "307 " + std::string(normal.path);
    }
    return "";
  }
  std::string Authority(std::string_view authority) {
    const auto normal = NormalizeAuthority(authority, arena_);
    return normal ? std::string(*normal) : "400";
  }

  Slab slab_;
  Arena arena_{slab_};
};

TEST_F(PathTest, Fault44_DotSegmentsAndEscapesAreResolved) {
  EXPECT_EQ(Normal("/a/b"), "/a/b");
  EXPECT_EQ(Normal("/a/../b"), "/b");
  EXPECT_EQ(Normal("/a/%2e%2E/b"), "/b");
  EXPECT_EQ(Normal("/a/.%2e/b"), "/b");
  EXPECT_EQ(Normal("/../../etc"), "/etc");
  EXPECT_EQ(Normal("/a/."), "/a/");
  EXPECT_EQ(Normal("/a/.."), "/");
  EXPECT_EQ(Normal("/a/./b/../c?x=../d"), "/a/c?x=../d");
  EXPECT_EQ(Normal("/%61dmin"), "/admin");
  EXPECT_EQ(Normal("/a\\..\\b"), "/b");
  EXPECT_EQ(Normal("/a%252e%252e/b"), "/a%252e%252e/b") << "one round of decoding only";
  EXPECT_EQ(Normal("/..a/.b/c.."), "/..a/.b/c..");
  EXPECT_EQ(Normal("/a//../b"), "/a/b");
  EXPECT_EQ(Normal("/%zz"), "/%zz");
  EXPECT_EQ(Normal("*"), "*");
}

TEST_F(PathTest, Fault44_NulAndFragmentAreRefused) {
  EXPECT_EQ(Normal("/a%00b"), "400");
  EXPECT_EQ(Normal("/a#b"), "400");
  EXPECT_EQ(Normal("/a?b#c"), "400");
  EXPECT_EQ(Normal(std::string_view("/a\0b", 4)), "400");
  EXPECT_EQ(Normal("/a b"), "400");
  EXPECT_EQ(Normal("a"), "400");
  EXPECT_EQ(Normal(""), "400");
}

TEST_F(PathTest, Fault44_EscapedSlashes) {
  EXPECT_EQ(Normal("/a%2Fb"), "/a%2Fb");
  EXPECT_EQ(Normal("/a%2fb", {true, false, EscapedSlashes::kReject}), "400");
  EXPECT_EQ(Normal("/a%5cb", {true, false, EscapedSlashes::kReject}), "400");
  EXPECT_EQ(Normal("/a?b=%2f", {true, false, EscapedSlashes::kReject}), "/a?b=%2f");
  EXPECT_EQ(Normal("/a%2f..%5cb?q", {true, false, EscapedSlashes::kForward}), "/b?q");
  EXPECT_EQ(Normal("/a%2fb", {true, false, EscapedSlashes::kRedirect}), "307 /a/b");
}

TEST_F(PathTest, SlashesAreMergedOnlyOnRequest) {
  EXPECT_EQ(Normal("/a//b"), "/a//b");
  EXPECT_EQ(Normal("//a///b//?c=//", {true, true}), "/a/b/?c=//");
  EXPECT_EQ(Normal("/a/../b", {false, false}), "/a/../b");
}

TEST_F(PathTest, Fault45_AuthorityIsCanonical) {
  EXPECT_EQ(Authority("a.test"), "a.test");
  EXPECT_EQ(Authority("A.Test.:8080"), "a.test:8080");
  EXPECT_EQ(Authority("[::1]:80"), "[::1]:80");
  EXPECT_EQ(Authority("user@a.test"), "400");
  EXPECT_EQ(Authority("a.test:x"), "400");
  EXPECT_EQ(Authority("a.test:70000"), "400");
  EXPECT_EQ(Authority("a.test:"), "400");
  EXPECT_EQ(Authority("a:b:80"), "400");
  EXPECT_EQ(Authority("a..:80"), "400");
  EXPECT_EQ(Authority(""), "400");
  EXPECT_EQ(Authority("."), "400");
  EXPECT_EQ(Authority("[::1"), "400");
  EXPECT_EQ(Authority("a/b"), "400");
}

}  // namespace
}  // namespace tulle::route
