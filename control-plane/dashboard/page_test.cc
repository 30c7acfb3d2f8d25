#include "control-plane/dashboard/page.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tulle::dashboard {
namespace {

std::string ValueOf(const PageReply& reply, std::string_view name) {
  const auto found = std::find_if(reply.headers.begin(), reply.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == reply.headers.end() ? "" : found->second;
}

TEST(Page, HasItsFilesAndTheLibraries) {
  const PageReply index = AnswerPage("GET", "/dashboard/", "");
  EXPECT_EQ(index.status, 200);
  EXPECT_EQ(index.media_type, "text/html; charset=utf-8");
  EXPECT_NE(index.body.find("<!doctype html>"), std::string_view::npos);
  for (const char* library : {"chart.min.js", "d3.min.js", "dagre.min.js"}) {
    const PageReply reply = AnswerPage("GET", "/dashboard/" + std::string(library), "");
    EXPECT_EQ(reply.status, 200) << library;
    EXPECT_GT(reply.body.size(), 50'000) << library;
    EXPECT_EQ(reply.media_type, "text/javascript; charset=utf-8") << library;
  }
}

TEST(Page, AllowsNoScriptsOfOthers) {
  for (const char* path : {"/dashboard/", "/dashboard/none", "/dashboard"}) {
    const PageReply reply = AnswerPage("GET", path, "");
    EXPECT_TRUE(ValueOf(reply, "content-security-policy")
                    .starts_with("default-src 'none'; script-src 'self';"));
    EXPECT_EQ(ValueOf(reply, "x-content-type-options"), "nosniff");
    EXPECT_EQ(ValueOf(reply, "referrer-policy"), "no-referrer");
  }
}

// The policy above refuses them, so the page would not work.
TEST(Page, HasNoInlineScriptsOrStyles) {
  const std::string_view index = AnswerPage("GET", "/dashboard/", "").body;
  EXPECT_EQ(index.find("<style"), std::string_view::npos);
  EXPECT_EQ(index.find(" style="), std::string_view::npos);
  EXPECT_EQ(index.find("<script>"), std::string_view::npos);
  EXPECT_EQ(index.find("://"), std::string_view::npos);
}

TEST(Page, IsSentOnce) {
  const std::string tag = ValueOf(AnswerPage("GET", "/dashboard/", ""), "etag");
  ASSERT_EQ(tag.size(), 18);
  const PageReply again = AnswerPage("GET", "/dashboard/", tag);
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(AnswerPage("GET", "/dashboard/", "\"other\"").status, 200);
}

TEST(Page, IsReadOnlyAndAtItsPath) {
  EXPECT_TRUE(IsPagePath("/dashboard"));
  EXPECT_TRUE(IsPagePath("/dashboard/x"));
  EXPECT_FALSE(IsPagePath("/dashboards"));
  EXPECT_FALSE(IsPagePath("/v1/services"));
  EXPECT_EQ(AnswerPage("POST", "/dashboard/", "").status, 405);
  EXPECT_EQ(AnswerPage("GET", "/dashboard/none", "").status, 404);
  const PageReply moved = AnswerPage("GET", "/dashboard", "");
  EXPECT_EQ(moved.status, 308);
  EXPECT_EQ(ValueOf(moved, "location"), "/dashboard/");
}

}  // namespace
}  // namespace tulle::dashboard
