// What would happen to a request that nobody has sent.
#include "sidecar/proxy/rehearsal.h"

#include <gtest/gtest.h>

#include "net/tls/secure_transports.h"
#include "sidecar/policy/authorization.h"
#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/testing/call_world.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

constexpr char kCart[] = "spiffe://cluster.local/ns/shop/sa/cart";

struct NoTls final : tls::SecureAcceptor {
  std::unique_ptr<Transport> Accept(loop::Loop&, std::unique_ptr<loop::Socket>,
                                    Buffer) const override {
    return nullptr;
  }
};

class RehearsalTest : public testing::CallWorld {
 protected:
  RehearsalTest() {
    inbound_.name = "inbound";
    inbound_.direction = config::Direction::kInbound;
    inbound_.address = *SocketAddress::Parse("10.0.0.1", 8080);
    inbound_.peer_authentication = "shop/strict";
    outbound_.name = "outbound";
    outbound_.direction = config::Direction::kOutbound;
    outbound_.address = *SocketAddress::Parse("240.0.0.1", 80);
  }

  std::shared_ptr<config::FilterChainSpec> Chain(std::vector<route::RouteSpec> routes,
                                                 std::string domain = "*") {
    route::RouteTableSpec table;
    table.virtual_hosts.push_back({"h", {std::move(domain)}, std::move(routes)});
    config::HttpSpec http = http_;
    http.routes = *route::RouteTable::Compile(std::move(table));
    auto chain = std::make_shared<config::FilterChainSpec>();
    chain->proxy = std::move(http);
    return chain;
  }
  void Decide(policy::Action action, const std::string& policy, const std::string& path) {
    policy::RuleSpec of_path;
    of_path.kind = policy::RuleSpec::Kind::kUrlPath;
    of_path.string = match::StringSpec{};
    of_path.string->text = path;
    policy::AuthorizationSpec rules;
    rules.rules = policy::RulesSpec{action, {{policy, {of_path}, {{}}}}};
    http_.authorization = {*policy::Authorization::Compile(rules)};
  }
  void AddCluster(const std::vector<std::pair<std::string, bool>>& endpoints) {
    auto cluster = std::make_shared<upstream::ClusterSpec>();
    cluster->name = "c";
    cluster->service = "web.shop";
    cluster->transport_sockets.push_back({});
    cluster->panic_percent = 0;
    auto set = std::make_shared<upstream::EndpointSet>();
    for (const auto& [address, healthy] : endpoints) {
      upstream::EndpointSpec endpoint;
      endpoint.address = *SocketAddress::Parse(address, 80);
      if (!healthy) endpoint.health = upstream::EndpointHealth::kUnhealthy;
      set->endpoints.push_back(endpoint);
    }
    cluster->static_endpoints = set;
    clusters_.Put(cluster, std::make_shared<upstream::ClusterLimits>(1));
  }
  RehearsalOutcome Ask(const RehearsedRequest& request) {
    return Rehearse(services_, {&inbound_, &outbound_}, request);
  }
  static RehearsedRequest Inbound(std::string source, std::string path = "/") {
    RehearsedRequest request;
    request.direction = config::Direction::kInbound;
    request.authority = "web";
    request.path = std::move(path);
    request.destination = SocketAddress::Loopback4(8080);
    request.source_id = std::move(source);
    return request;
  }
  static std::vector<std::string> Texts(const RehearsalOutcome& outcome) {
    std::vector<std::string> texts;
    for (const KeptDecision& one : outcome.decisions)
      texts.push_back((one.positive ? "+" : "-") + one.subject + ": " + one.reason);
    return texts;
  }

  config::ListenerSpec inbound_;
  config::ListenerSpec outbound_;
};

TEST_F(RehearsalTest, OutboundNamesTheRouteAndEachEndpoint) {
  AddCluster({{"10.0.0.2", true}, {"10.0.0.3", false}});
  route::RouteSpec canary = Forwards();
  canary.name = "canary";
  canary.match.headers = {{"x-canary"}};
  outbound_.chains = {Chain({canary, Forwards()}, "web")};
  RehearsedRequest request;
  request.authority = "web";
  request.path = "/a/../b";
  const RehearsalOutcome outcome = Ask(request);
  EXPECT_EQ(outcome.listener, "outbound");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_FALSE(outcome.failure);
  EXPECT_EQ(outcome.route, "forwards");
  EXPECT_EQ(outcome.cluster, "c");
  EXPECT_EQ(outcome.service, "web.shop");
  EXPECT_EQ(outcome.path, "/b");
  EXPECT_EQ(Texts(outcome),
            (std::vector<std::string>{"-canary: headers do not match", "+forwards: matches",
                                      "+request: 15000 ms", "+10.0.0.2:80: available",
                                      "-10.0.0.3:80: unhealthy"}));
  request.headers = {{"x-canary", "1"}};
  EXPECT_EQ(Ask(request).route, "canary");
}

TEST_F(RehearsalTest, NothingOfTheClusterStaysInUse) {
  AddCluster({{"10.0.0.2", true}});
  outbound_.chains = {Chain({Forwards()})};
  RehearsedRequest request;
  request.destination = outbound_.address;
  request.authority = "anything";
  EXPECT_EQ(Ask(request).cluster, "c");
  EXPECT_EQ(clusters_.Find("c")->users, 0u);
}

TEST_F(RehearsalTest, SaysThatNoEndpointIsHealthy) {
  AddCluster({{"10.0.0.3", false}});
  outbound_.chains = {Chain({Forwards()}, "web")};
  RehearsedRequest request;
  request.authority = "web";
  const RehearsalOutcome outcome = Ask(request);
  EXPECT_EQ(outcome.failure.kind, upstream::failures::kNoHealthyEndpoint);
  EXPECT_EQ(outcome.status, 503);
}

TEST_F(RehearsalTest, AnUnknownHostGoesWhereUnknownHostsGo) {
  RehearsedRequest request;
  request.authority = "elsewhere";
  outbound_.chains = {Chain({Forwards()}, "web")};
  EXPECT_EQ(Ask(request).listener, "") << "without a listener for them, nowhere";
  route::RouteSpec unknown;
  unknown.name = "unknown_host";
  unknown.action = route::DirectResponseSpec{404, "no such host"};
  outbound_.chains = {Chain({unknown})};
  const RehearsalOutcome answered = Ask(request);
  EXPECT_EQ(answered.status, 404);
  EXPECT_EQ(answered.route, "unknown_host");
  request.destination = *SocketAddress::Parse("240.0.0.9", 80);
  EXPECT_EQ(Ask(request).status, 404) << "a port that the service does not have";
  outbound_.hand_off = true;
  EXPECT_EQ(Ask(request).listener, "") << "a service that is not known yet";
}

TEST_F(RehearsalTest, AnInterceptedUnknownHostIsPassedThroughOrClosed) {
  RehearsedRequest request;
  request.authority = "elsewhere";
  outbound_.hand_off = true;
  auto unknown = std::make_shared<config::FilterChainSpec>();
  unknown->proxy.emplace<config::TcpSpec>().clusters = {{"c", 1}};
  outbound_.default_chain = unknown;
  AddCluster({});
  const RehearsalOutcome closed = Ask(request);
  EXPECT_EQ(closed.failure.kind, upstream::failures::kNoHealthyEndpoint);
  EXPECT_TRUE(closed.is_connection_closed);
  AddCluster({{"10.0.0.2", true}});
  const RehearsalOutcome passed = Ask(request);
  EXPECT_FALSE(passed.failure);
  EXPECT_EQ(passed.cluster, "c");
}

TEST_F(RehearsalTest, SharesTimeoutsAndRetriesAreNamed) {
  AddCluster({{"10.0.0.2", true}});
  route::RouteSpec split = Forwards();
  auto& forward = std::get<route::ForwardSpec>(split.action);
  forward.clusters = {{"c", 90}, {"none", 0}};
  forward.timeout = std::chrono::milliseconds(300);
  forward.retry.emplace();
  split.owners = {{"request_timeout", "ResiliencePolicy shop/web spec.timeouts.request"}};
  outbound_.chains = {Chain({split}, "web")};
  RehearsedRequest request;
  request.authority = "web";
  EXPECT_EQ(Texts(Ask(request)),
            (std::vector<std::string>{
                "+forwards: matches", "+c: weight 90 of 90", "-none: weight 0 of 90",
                "+request: 300 ms, by ResiliencePolicy shop/web spec.timeouts.request",
                "+: at most 1 retry", "+10.0.0.2:80: available"}));
}

TEST_F(RehearsalTest, WhatIsRefusedBeforeRoutingIsRefused) {
  AddCluster({{"10.0.0.2", true}});
  http_.underscores = config::UnderscoreAction::kRefuseRequest;
  outbound_.chains = {Chain({Forwards()}, "web")};
  RehearsedRequest request;
  request.authority = "web";
  request.headers = {{"x_user", "ann"}};
  const RehearsalOutcome refused = Ask(request);
  EXPECT_EQ(refused.failure.kind, FailureKind::kBadRequest);
  EXPECT_EQ(refused.status, 400);
}

TEST_F(RehearsalTest, ThePolicyThatDeniesIsNamed) {
  AddCluster({{"10.0.0.2", true}});
  Decide(policy::Action::kDeny, "no-admin", "/admin");
  inbound_.chains = {Chain({Forwards()})};
  inbound_.chains[0] = [&] {
    auto chain = std::make_shared<config::FilterChainSpec>(*inbound_.chains[0]);
    chain->tls = std::make_shared<NoTls>();
    return chain;
  }();
  const RehearsalOutcome denied = Ask(Inbound(kCart, "/admin"));
  EXPECT_EQ(denied.failure.kind, failures::kDenied);
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.policy, "no-admin");
  const RehearsalOutcome allowed = Ask(Inbound(kCart, "/shop"));
  EXPECT_FALSE(allowed.failure);
  EXPECT_EQ(allowed.route, "forwards");
  // In plaintext there is no chain.
  const RehearsalOutcome plaintext = Ask(Inbound(""));
  EXPECT_EQ(plaintext.failure.kind, failures::kDenied);
  EXPECT_TRUE(plaintext.is_connection_closed);
  EXPECT_EQ(plaintext.policy, "shop/strict");
}

TEST_F(RehearsalTest, WhatNoPolicyAllowsSaysWhatDoesNotMatch) {
  AddCluster({{"10.0.0.2", true}});
  Decide(policy::Action::kAllow, "shoppers", "/shop");
  inbound_.chains = {Chain({Forwards()})};
  const RehearsalOutcome allowed = Ask(Inbound("", "/shop"));
  EXPECT_FALSE(allowed.failure);
  EXPECT_EQ(allowed.policy, "shoppers");
  EXPECT_EQ(Texts(allowed)[1], "+shoppers: policy matches");
  const RehearsalOutcome denied = Ask(Inbound("", "/admin"));
  EXPECT_EQ(denied.failure.kind, failures::kDenied);
  EXPECT_EQ(Texts(denied), (std::vector<std::string>{"+forwards: matches", "-: no policy allows it",
                                                     "-shoppers: path does not match"}));
}

TEST_F(RehearsalTest, ARateLimitIsNamedAndNotUsedUp) {
  AddCluster({{"10.0.0.2", true}});
  policy::RateLimitSpec spec;
  spec.bucket = policy::BucketSpec{1, 1, std::chrono::seconds(60)};
  spec.enabled_per_million = spec.enforced_per_million = 1000000;
  auto limit = std::make_shared<policy::LocalRateLimit>(spec);
  http_.rate_limits = {{"limit", limit}};
  inbound_.chains = {Chain({Forwards()})};
  for (int i = 0; i < 3; ++i) {
    const RehearsalOutcome outcome = Ask(Inbound(""));
    EXPECT_FALSE(outcome.failure);
    EXPECT_EQ(Texts(outcome)[1], "+limit: a rate limit applies here");
  }
  const policy::Subject nobody;
  EXPECT_FALSE(limit->Take(nobody, nullptr, "c", policy::Nanoseconds(0), 0).limited);
}

}  // namespace
}  // namespace tulle::proxy
