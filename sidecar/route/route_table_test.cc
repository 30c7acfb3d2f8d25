#include "sidecar/route/route_table.h"

#include <gtest/gtest.h>

#include "net/base/slab.h"
#include "sidecar/route/retry_on.h"

namespace tulle::route {
namespace {

RouteSpec To(std::string cluster, PathSpec path = {PathKind::kPrefix, "/"}) {
  RouteSpec route;
  route.match.path = std::move(path);
  route.action = ForwardSpec{{{std::move(cluster)}}};
  return route;
}

VirtualHostSpec Host(std::string name, std::vector<std::string> domains,
                     std::vector<RouteSpec> routes = {}) {
  VirtualHostSpec host;
  host.name = name;
  host.domains = std::move(domains);
  host.routes = std::move(routes);
  if (host.routes.empty()) host.routes.push_back(To(name));
  return host;
}

class RouteTableTest : public testing::Test {
 protected:
  void Use(std::vector<VirtualHostSpec> hosts, bool ignore_port = false) {
    RouteTableSpec spec;
    spec.virtual_hosts = std::move(hosts);
    spec.ignore_port = ignore_port;
    Use(std::move(spec));
  }
  void Use(RouteTableSpec spec) {
    auto table = RouteTable::Compile(std::move(spec));
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *table;
  }
  static std::string Error(std::vector<VirtualHostSpec> hosts) {
    RouteTableSpec spec;
    spec.virtual_hosts = std::move(hosts);
    return std::string(RouteTable::Compile(std::move(spec)).status().message());
  }
  // The cluster of a request, or what is missing.
  std::string Cluster(std::string_view authority, std::string_view path = "/",
                      uint64_t random = 0) {
    head_.authority = authority;
    head_.path = path;
    const RouteMatch match = table_->Match(head_, random);
    if (match.virtual_host == nullptr) return "no host";
    if (match.route == nullptr) return "no route";
    return match.target->cluster;
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
  std::shared_ptr<const RouteTable> table_;
};

TEST_F(RouteTableTest, DomainsByPrecision) {
  Use({Host("exact", {"a.test"}), Host("port", {"a.test:*"}), Host("suffix", {"*.a.test"}),
       Host("longer", {"*.b.a.test"}), Host("dash", {"*-x.a.test"}), Host("prefix", {"c.*"}),
       Host("any", {"*"})});
  EXPECT_EQ(Cluster("a.test"), "exact");
  EXPECT_EQ(Cluster("A.TEST"), "exact");
  EXPECT_EQ(Cluster("a.test:80"), "exact");
  EXPECT_EQ(Cluster("a.test:8080"), "port");
  EXPECT_EQ(Cluster("x.a.test"), "suffix");
  EXPECT_EQ(Cluster("x.b.a.test"), "longer");
  EXPECT_EQ(Cluster("q-x.a.test"), "dash");
  EXPECT_EQ(Cluster(".a.test"), "any") << "a wildcard stands for at least one character";
  EXPECT_EQ(Cluster("c.a.test"), "suffix") << "a suffix wildcard comes before a prefix wildcard";
  EXPECT_EQ(Cluster("c.other"), "prefix");
  EXPECT_EQ(Cluster(std::string(600, 'a')), "any");
}

TEST_F(RouteTableTest, PortIgnoredOnRequest) {
  Use({Host("a", {"a.test"})});
  EXPECT_EQ(Cluster("a.test:8080"), "no host");
  Use({Host("a", {"a.test"})}, true);
  EXPECT_EQ(Cluster("a.test:8080"), "a");
}

TEST_F(RouteTableTest, TheSchemesOwnPortDoesNotChangeTheHost) {
  Use({Host("plain", {"a.test"}), Host("port", {"b.test:80"}), Host("secure", {"c.test:443"}),
       Host("suffix", {"*.d.test"}), Host("prefix", {"e.*"}), Host("any", {"*"})});
  for (const char* port : {"", ":80"}) {
    const auto of = [&](std::string host) { return Cluster(host + port); };
    EXPECT_EQ(of("a.test"), "plain") << port;
    EXPECT_EQ(of("b.test"), "port") << port;
    EXPECT_EQ(of("c.test"), "any") << port;
    EXPECT_EQ(of("x.d.test"), "suffix") << port;
    EXPECT_EQ(of("e.d.test"), "suffix") << port;
    EXPECT_EQ(of("e.test"), "prefix") << port;
    EXPECT_EQ(of("[::1]"), "any") << port;
  }
  EXPECT_EQ(Cluster("a.test:443"), "any") << "another port than the scheme's";
  head_.scheme = "https";
  EXPECT_EQ(Cluster("a.test:443"), "plain");
  EXPECT_EQ(Cluster("c.test"), "secure");
  EXPECT_EQ(Cluster("a.test:80"), "any");
}

TEST_F(RouteTableTest, AHostOfItsOwnForTheSpellingWithThePortComesFirst) {
  Use({Host("plain", {"a.test"}), Host("port", {"a.test:80"})});
  EXPECT_EQ(Cluster("a.test"), "plain");
  EXPECT_EQ(Cluster("a.test:80"), "port");
}

TEST_F(RouteTableTest, BadDomainsAreNamed) {
  EXPECT_NE(Error({Host("a", {"x"}), Host("b", {"X"})}).find("virtual_hosts[1] (b)"),
            std::string::npos);
  EXPECT_NE(Error({Host("a", {"a.*.b"})}).find("middle"), std::string::npos);
  EXPECT_NE(Error({Host("a", {"*", "*"})}).find("twice"), std::string::npos);
}

TEST_F(RouteTableTest, PathsOfEachKindFirstMatchWins) {
  Use({Host("h", {"*"},
            {To("exact", {PathKind::kExact, "/a"}), To("fold", {PathKind::kExact, "/A", true}),
             To("separated", {PathKind::kSeparatedPrefix, "/api"}),
             To("regex", {PathKind::kRegex, "/r/[0-9]+"}), To("prefix", {PathKind::kPrefix, "/ap"}),
             To("again", {PathKind::kPrefix, "/apx"})})});
  EXPECT_EQ(Cluster("h", "/a"), "exact");
  EXPECT_EQ(Cluster("h", "/A?x=1"), "fold");
  EXPECT_EQ(Cluster("h", "/api"), "separated");
  EXPECT_EQ(Cluster("h", "/api/x"), "separated");
  EXPECT_EQ(Cluster("h", "/apis"), "prefix");
  EXPECT_EQ(Cluster("h", "/apx"), "prefix");
  EXPECT_EQ(Cluster("h", "/r/12?r=/a"), "regex");
  EXPECT_EQ(Cluster("h", "/r/12x"), "no route");
}

TEST_F(RouteTableTest, HeadersMethodQueryGrpcAndFraction) {
  RouteSpec post = To("post");
  post.match.headers = {
      {":method", match::StringSpec{match::StringKind::kExact, "POST"}},
      {"x-team", match::StringSpec{match::StringKind::kRegex, "b.*"}},
  };
  RouteSpec query = To("query");
  query.match.query = {{"v", match::StringSpec{match::StringKind::kExact, "2"}}, {"debug"}};
  RouteSpec grpc = To("grpc");
  grpc.match.grpc_only = true;
  RouteSpec some = To("some");
  some.match.fraction = Fraction{25, 100};
  Use({Host("h", {"*"}, {post, query, grpc, some, To("rest")})});
  EXPECT_EQ(Cluster("h", "/?v=2"), "some");
  EXPECT_EQ(Cluster("h", "/?x&debug=&v=2&v=3"), "query");
  EXPECT_EQ(Cluster("h", "/?debug&v=3&v=2", 99), "rest");
  EXPECT_EQ(Cluster("h", "/", 24), "some");
  EXPECT_EQ(Cluster("h", "/", 25), "rest");
  head_.method = "POST";
  head_.headers.Add("X-Team", "blue");
  EXPECT_EQ(Cluster("h", "/", 99), "post");
  head_.method = "GET";
  head_.headers.Add("content-type", "application/grpc+proto");
  EXPECT_EQ(Cluster("h", "/", 99), "grpc");
}

TEST_F(RouteTableTest, WeightsAreKept) {
  RouteSpec route = To("");
  route.action = ForwardSpec{{{"v1", 90}, {"none", 0}, {"v2", 10}}};
  Use({Host("h", {"*"}, {route})});
  int second = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const std::string cluster = Cluster("h", "/", i * 0x9e3779b97f4a7c15ULL);
    ASSERT_NE(cluster, "none");
    if (cluster == "v2") ++second;
  }
  EXPECT_NEAR(second, 10000, 400);
  EXPECT_EQ(table_->clusters(), (std::vector<std::string>{"none", "v1", "v2"}));
}

TEST_F(RouteTableTest, WeightsMustSumToSomething) {
  RouteSpec route = To("");
  route.action = ForwardSpec{{{"v1", 0}}};
  EXPECT_NE(Error({Host("h", {"*"}, {route})}).find("routes[0]: the weights"), std::string::npos);
}

TEST_F(RouteTableTest, MutationsOfAllLevelsInOrder) {
  RouteTableSpec spec;
  spec.request_headers = {{HeaderAction::kSet, "x-level", "table"}};
  VirtualHostSpec host = Host("h", {"*"});
  host.request_headers = {{HeaderAction::kSet, "x-level", "host"},
                          {HeaderAction::kRemove, "x-gone", ""}};
  host.routes[0].request_headers = {{HeaderAction::kSet, "x-level", "route"},
                                    {HeaderAction::kAppend, "x-more", "1"},
                                    {HeaderAction::kAddIfAbsent, "x-more", "2"},
                                    {HeaderAction::kReplaceIfExists, "x-none", "3"}};
  spec.virtual_hosts = {host};
  head_.path = "/";
  for (const bool most_specific : {false, true}) {
    spec.most_specific_mutations_win = most_specific;
    Use(spec);
    http::HeaderMap headers(arena_);
    headers.Add("X-Gone", "1");
    Apply(table_->Match(head_, 0).target->request_headers, headers);
    EXPECT_EQ(headers.Find("x-level")->value, most_specific ? "route" : "table");
    EXPECT_EQ(headers.Find("x-gone"), nullptr);
    EXPECT_EQ(headers.Find("x-none"), nullptr);
    EXPECT_EQ(headers.size(), 2u);
  }
}

TEST_F(RouteTableTest, FramingHeadersAreNotChanged) {
  VirtualHostSpec host = Host("h", {"*"});
  for (const char* name : {"host", ":path", "transfer-encoding", "a b", ""}) {
    host.request_headers = {{HeaderAction::kSet, name, "x"}};
    EXPECT_NE(Error({host}), "") << name;
  }
  host.request_headers = {{HeaderAction::kSet, "x-a", "b\r\nc: d"}};
  EXPECT_NE(Error({host}).find("control character"), std::string::npos);
}

TEST(RetryOnTest, FullGrammar) {
  const RetryConditions all = ParseRetryOn(
      "5xx,gateway-error, reset ,reset-before-request,connect-failure,refused-stream,"
      "envoy-ratelimited,retriable-4xx,retriable-status-codes,retriable-headers,"
      "http3-post-connect-failure,cancelled,deadline-exceeded,internal,resource-exhausted,"
      "unavailable");
  EXPECT_EQ(all.bits, 0xffffu);
  EXPECT_TRUE(all.unknown.empty());
  const RetryConditions codes = ParseRetryOn("503,,no-such,425");
  EXPECT_EQ(codes.bits, static_cast<uint32_t>(kRetryOnRetriableStatusCodes));
  EXPECT_EQ(codes.statuses, (std::vector<uint32_t>{503, 425}));
  EXPECT_EQ(codes.unknown, (std::vector<std::string>{"no-such"}));
}

}  // namespace
}  // namespace tulle::route
