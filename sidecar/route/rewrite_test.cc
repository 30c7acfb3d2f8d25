#include "sidecar/route/rewrite.h"

#include <gtest/gtest.h>

#include "net/base/slab.h"

namespace tulle::route {
namespace {

class RewriteTest : public testing::Test {
 protected:
  const Route& With(PathSpec path, decltype(RouteSpec::action) action) {
    RouteSpec route;
    route.match.path = std::move(path);
    route.action = std::move(action);
    VirtualHostSpec host;
    host.domains = {"*"};
    host.routes = {route};
    RouteTableSpec spec;
    spec.virtual_hosts = {host};
    auto table = RouteTable::Compile(std::move(spec));
    EXPECT_TRUE(table.ok()) << table.status();
    table_ = *table;
    return table_->virtual_hosts()[0].routes()[0];
  }
  static ForwardSpec Forward(std::string prefix, std::optional<RegexRewrite> regex = {}) {
    ForwardSpec forward{{{"c"}}};
    forward.prefix_rewrite = std::move(prefix);
    forward.regex_rewrite = std::move(regex);
    return forward;
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
  std::shared_ptr<const RouteTable> table_;
};

TEST_F(RewriteTest, PathsUpstream) {
  EXPECT_EQ(RewrittenPath(With({PathKind::kPrefix, "/a"}, Forward("/b")), "/ac?d=/a", arena_),
            "/bc?d=/a");
  EXPECT_EQ(RewrittenPath(With({PathKind::kExact, "/a"}, Forward("/b")), "/a?q", arena_), "/b?q");
  EXPECT_EQ(RewrittenPath(With({PathKind::kPrefix, "/a"}, Forward("")), "/a", arena_), "/a");
  EXPECT_EQ(RewrittenPath(With({PathKind::kPrefix, "/"},
                               Forward("", RegexRewrite{"^/v([0-9]+)/(.*)$", "/\\2/v\\1"})),
                          "/v2/x?y=/v1/", arena_),
            "/x/v2?y=/v1/");
}

TEST_F(RewriteTest, Locations) {
  head_.authority = "a.test:80";
  head_.path = "/x/y?z=1";
  const PathSpec all{PathKind::kPrefix, "/x"};
  RedirectSpec redirect;
  redirect.scheme = "https";
  EXPECT_EQ(RedirectLocation(With(all, redirect), head_, "http", arena_), "https://a.test/x/y?z=1");
  redirect = {};
  redirect.host = "b.test";
  redirect.port = 8443;
  redirect.strip_query = true;
  EXPECT_EQ(RedirectLocation(With(all, redirect), head_, "http", arena_), "http://b.test:8443/x/y");
  redirect = {};
  redirect.prefix_rewrite = "/q";
  EXPECT_EQ(RedirectLocation(With(all, redirect), head_, "http", arena_),
            "http://a.test:80/q/y?z=1");
  redirect = {};
  redirect.path = "/new?own";
  EXPECT_EQ(RedirectLocation(With(all, redirect), head_, "http", arena_),
            "http://a.test:80/new?own");
  redirect.path = "/new";
  EXPECT_EQ(RedirectLocation(With(all, redirect), head_, "http", arena_),
            "http://a.test:80/new?z=1");
}

}  // namespace
}  // namespace tulle::route
