#include "control-plane/cli/page_login.h"

#include <gtest/gtest.h>

namespace tulle::cli {
namespace {

constexpr int64_t kNow = 1'790'000'000;

class PageLoginTest : public testing::Test {
 protected:
  certs::SystemKeySource keys_;
  PageLogin login_{"127.0.0.1:8080", &keys_};

  static api::ApiRequest From(std::string host, std::string origin) {
    api::ApiRequest request{"GET", "/v1/services", {}, "", ""};
    request.host = std::move(host);
    request.origin = std::move(origin);
    return request;
  }
};

TEST_F(PageLoginTest, ACodeWorksOnce) {
  const std::string code = login_.NewCode(kNow);
  const auto token = login_.Redeem(code, kNow + 59);
  ASSERT_TRUE(token);
  EXPECT_NE(*token, code);
  EXPECT_TRUE(login_.IsOfSession("Bearer " + *token, kNow + 60));
  EXPECT_FALSE(login_.Redeem(code, kNow + 59));
}

TEST_F(PageLoginTest, ACodeEndsAfterAMinute) {
  const std::string code = login_.NewCode(kNow);
  EXPECT_FALSE(login_.Redeem(code, kNow + 60));
}

TEST_F(PageLoginTest, WrongAndMissingCodesAreRefused) {
  EXPECT_FALSE(login_.Redeem("", kNow));
  const std::string code = login_.NewCode(kNow);
  EXPECT_FALSE(login_.Redeem("", kNow));
  EXPECT_FALSE(login_.Redeem(code + "x", kNow));
  EXPECT_TRUE(login_.Redeem(code, kNow));
}

TEST_F(PageLoginTest, ASessionNeedsItsTokenAndEnds) {
  EXPECT_FALSE(login_.IsOfSession("", kNow));
  EXPECT_FALSE(login_.IsOfSession("Bearer ", kNow));
  const auto token = login_.Redeem(login_.NewCode(kNow), kNow);
  ASSERT_TRUE(token);
  EXPECT_FALSE(login_.IsOfSession(*token, kNow));
  EXPECT_FALSE(login_.IsOfSession("Bearer x" + *token, kNow));
  EXPECT_TRUE(login_.IsOfSession("Bearer " + *token, kNow + 8 * 3600 - 1));
  EXPECT_FALSE(login_.IsOfSession("Bearer " + *token, kNow + 8 * 3600));
}

TEST_F(PageLoginTest, OtherSitesAreRefused) {
  EXPECT_TRUE(login_.IsOfPage(From("127.0.0.1:8080", "")));
  EXPECT_TRUE(login_.IsOfPage(From("127.0.0.1:8080", "http://127.0.0.1:8080")));
  EXPECT_FALSE(login_.IsOfPage(From("evil.example:8080", "")));  // a name that leads to us
  EXPECT_FALSE(login_.IsOfPage(From("127.0.0.1:8080", "http://evil.example")));
  EXPECT_FALSE(login_.IsOfPage(From("127.0.0.1:8080", "null")));
  EXPECT_FALSE(login_.IsOfPage(From("", "")));
}

TEST(PageCalls, AreReadsAndTaps) {
  EXPECT_TRUE(IsForPage("GET", "/v1/services"));
  EXPECT_TRUE(IsForPage("GET", "/v1/traffic/history"));
  EXPECT_TRUE(IsForPage("POST", "/v1/taps"));
  EXPECT_TRUE(IsForPage("DELETE", "/v1/taps/7"));
  EXPECT_TRUE(IsForPage("GET", "/v1/taps/pod-a=1-ab,pod-b=7-cd"));
  EXPECT_FALSE(IsForPage("POST", "/v1/apply"));
  EXPECT_FALSE(IsForPage("DELETE", "/v1/policies/a/b/c"));
  EXPECT_FALSE(IsForPage("GET", "/v1/backup"));
  EXPECT_FALSE(IsForPage("GET", "/v1/credentials"));
  EXPECT_FALSE(IsForPage("GET", "/v1/servicesandmore"));
}

// The calls of a tap have more rights in a cluster than those that only read.
TEST(PageCalls, ATapIsOpenedReadAndEndedOnly) {
  EXPECT_FALSE(IsForPage("GET", "/v1/taps"));
  EXPECT_FALSE(IsForPage("DELETE", "/v1/taps"));
  EXPECT_FALSE(IsForPage("POST", "/v1/taps/7"));
  EXPECT_FALSE(IsForPage("POST", "/v1/taps/a=../evictions"));
  for (const char* id : {"", "..", "a=..", "a=../evictions", "a=1-a/b", "other:9443/proxy/any?a=b",
                         "a=1%2F..", "a=1-a?x", "a:1=1-a", "a\\b"}) {
    EXPECT_FALSE(IsForPage("GET", std::string("/v1/taps/") + id)) << id;
    EXPECT_FALSE(IsForPage("DELETE", std::string("/v1/taps/") + id)) << id;
  }
}

TEST(PageCalls, NoPathIsTakenForAnotherOneOnTheWay) {
  for (const char* path : {"/dashboard/", "/dashboard/page.js", "/v1/taps/1-a", "/v1/x/..a"})
    EXPECT_TRUE(IsPlainPath(path)) << path;
  for (const char* path : {"", "dashboard/", "/dashboard/../v1/policies", "/v1/taps/..", "/..",
                           "/v1/./taps", "/v1//taps", "/dashboard/..\\v1"}) {
    EXPECT_FALSE(IsPlainPath(path)) << path;
  }
}

TEST(PageCalls, ATapOfThePageShowsNoSecrets) {
  EXPECT_TRUE(IsTapForPage(R"({"service":"cart","showHeaders":true})"));
  EXPECT_TRUE(IsTapForPage("{}"));
  EXPECT_FALSE(IsTapForPage(R"({"showHeaders":true,"redact":false})"));
  EXPECT_FALSE(IsTapForPage(R"({"redact":true,"redact":false})"));
  EXPECT_FALSE(IsTapForPage("[]"));
  EXPECT_FALSE(IsTapForPage("{"));
  EXPECT_FALSE(IsTapForPage(""));
}

}  // namespace
}  // namespace tulle::cli
