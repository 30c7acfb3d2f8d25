#include "sidecar/route/hash_policy.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "net/base/slab.h"
#include "net/hash/xx_hash.h"

namespace tulle::route {
namespace {

using Kind = HashSpec::Kind;
using hash::XxHash64;

class HashPolicyTest : public ::testing::Test {
 protected:
  HashPolicyTest() { request_.path = "/cart?user=ann&user=bob"; }
  static HashSpec Of(Kind kind, std::string name = "", bool terminal = false) {
    HashSpec spec;
    spec.kind = kind;
    spec.name = std::move(name);
    spec.terminal = terminal;
    return spec;
  }
  std::optional<uint64_t> Hash(const std::vector<HashSpec>& policies) {
    return HashOf(policies, request_, peer_, "fresh");
  }
  std::vector<std::string> Cookies(const std::vector<HashSpec>& policies) {
    http::HeaderMap response(arena_);
    AddCookies(policies, request_, "0011223344556677", response);
    std::vector<std::string> values;
    for (const http::Header& header : response.all()) {
      EXPECT_EQ(header.name, "set-cookie");
      values.emplace_back(header.value);
    }
    return values;
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head request_{arena_};
  SocketAddress peer_ = *SocketAddress::Parse("10.1.2.3", 4711);
};

TEST_F(HashPolicyTest, NothingToHash) {
  EXPECT_EQ(Hash({}), std::nullopt);
  EXPECT_EQ(Hash({Of(Kind::kHeader, "x-user"), Of(Kind::kCookie, "c"),
                  Of(Kind::kQueryParameter, "none")}),
            std::nullopt);
}

TEST_F(HashPolicyTest, EachKindHashesItsValue) {
  request_.headers.Add("X-User", "ann");
  request_.headers.Add("cookie", "a=1; c=\"two\"; c=3");
  EXPECT_EQ(Hash({Of(Kind::kHeader, "x-user")}), XxHash64("ann"));
  EXPECT_EQ(Hash({Of(Kind::kHeader, ":path")}), XxHash64(request_.path));
  EXPECT_EQ(Hash({Of(Kind::kCookie, "c")}), XxHash64("two"));
  EXPECT_EQ(Hash({Of(Kind::kSourceIp)}), XxHash64("10.1.2.3"));
  EXPECT_EQ(Hash({Of(Kind::kQueryParameter, "user")}), XxHash64("ann"));
  EXPECT_EQ(HashOfIp(*SocketAddress::Parse("fd00::1", 1)), XxHash64("fd00::1"));
}

TEST_F(HashPolicyTest, PoliciesAreMixedUntilATerminalOneHolds) {
  request_.headers.Add("x-user", "ann");
  const uint64_t both = std::rotl(XxHash64("ann"), 1) ^ XxHash64("10.1.2.3");
  EXPECT_EQ(Hash({Of(Kind::kHeader, "x-user"), Of(Kind::kSourceIp)}), both);
  EXPECT_EQ(Hash({Of(Kind::kHeader, "x-user", true), Of(Kind::kSourceIp)}), XxHash64("ann"));
  EXPECT_EQ(Hash({Of(Kind::kHeader, "none", true), Of(Kind::kSourceIp)}), XxHash64("10.1.2.3"));
}

TEST_F(HashPolicyTest, CookieWithATimeIsMadeWhereThereIsNone) {
  HashSpec cookie = Of(Kind::kCookie, "lb");
  EXPECT_EQ(Hash({cookie}), std::nullopt);
  EXPECT_TRUE(Cookies({cookie}).empty());
  cookie.ttl = std::chrono::seconds(60);
  cookie.path = "/shop";
  EXPECT_EQ(Hash({cookie}), XxHash64("fresh"));
  EXPECT_EQ(Cookies({cookie}),
            std::vector<std::string>{"lb=\"0011223344556677\"; Max-Age=60; Path=/shop; HttpOnly"});
  cookie.ttl = std::chrono::seconds(0);
  cookie.path.clear();
  cookie.attributes = "; SameSite=Lax";
  EXPECT_EQ(Cookies({cookie}),
            std::vector<std::string>{"lb=\"0011223344556677\"; SameSite=Lax; HttpOnly"});
  request_.headers.Add("cookie", "lb=known");
  EXPECT_EQ(Hash({cookie}), XxHash64("known"));
  EXPECT_TRUE(Cookies({cookie}).empty());
}

TEST_F(HashPolicyTest, FreshCookieIsTheConnections) {
  const SocketAddress local = *SocketAddress::Parse("10.1.2.4", 80);
  const std::string one(FreshCookie(peer_, local, arena_));
  EXPECT_EQ(one.size(), 16u);
  EXPECT_EQ(FreshCookie(peer_, local, arena_), one);
  EXPECT_NE(FreshCookie(peer_.WithPort(4712), local, arena_), one);
}

}  // namespace
}  // namespace tulle::route
