// The route that a request gets, what becomes of its head, and how that is explained.
#include <gtest/gtest.h>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/retry.h"
#include "sidecar/proxy/testing/call_world.h"
#include "sidecar/route/retry_on.h"

namespace tulle::proxy {
namespace {

class RoutingTest : public testing::CallWorld {
 protected:
  Failure FailureOf(Step step) {
    EXPECT_EQ(step.kind(), Step::Kind::kAnswer);
    return step.kind() == Step::Kind::kAnswer ? step.answer().failure : Failure{};
  }
};

TEST_F(RoutingTest, WithoutATableOrAMatchThereIsNoRoute) {
  http_.rds_name = "later";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, failures::kNoRoute);
  routes_.Slot("later").table =
      Pin<route::RouteTable>(*route::RouteTable::Compile(route::RouteTableSpec{}));
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(FailureOf(Prepare(call())).kind, failures::kNoRoute);
}

TEST_F(RoutingTest, ConnectAndUnknownUpgradesAreRefused) {
  Routes({Forwards()});
  head_.method = "CONNECT";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, failures::kUpgradeRefused);
  head_.method = "GET";
  head_.upgrade_wanted = true;
  head_.upgrade = "websocket";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, failures::kUpgradeRefused);
}

class TunnelTest : public RoutingTest {
 protected:
  Step Connect(http::Version version) {
    head_.method = "CONNECT";
    head_.authority = "Db:5432";
    head_.path = {};
    head_.upgrade_wanted = true;
    head_.upgrade = "websocket";
    head_.version = version;
    return MatchRoute(call());
  }
};

TEST_F(TunnelTest, WhatMatchesAllPathsIsNoRouteForOne) {
  route::RouteSpec all = Forwards();
  all.match.path.text = "";
  Routes({all});
  EXPECT_EQ(FailureOf(Connect(http::Version::kHttp11)).kind, failures::kUpgradeRefused);
}

TEST_F(TunnelTest, HasARouteOfItsOwn) {
  route::RouteSpec tunnel = Forwards();
  tunnel.match.path = {route::PathKind::kConnect, ""};
  std::get<route::ForwardSpec>(tunnel.action).tunnel = true;
  route::RouteSpec first = Forwards();
  first.match.path.text = "/";
  Routes({first, tunnel});
  ASSERT_EQ(Connect(http::Version::kHttp11).kind(), Step::Kind::kContinue);
  EXPECT_EQ(head_.authority, "db:5432");
  EXPECT_EQ(head_.upgrade, "") << "one of both";
  EXPECT_TRUE(call().chosen.forward()->tunnel);
  EXPECT_EQ(FailureOf(Connect(http::Version::kHttp2)).kind, failures::kUpgradeRefused);
}

TEST_F(RoutingTest, TheClientsSchemeIsNotBelievedInCleartext) {
  Routes({Forwards()});
  head_.scheme = "https";
  head_.authority = "web:80";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(head_.scheme, "http");
}

TEST_F(RoutingTest, DecidesOnTheNormalizedPathAndForwardsIt) {
  Routes({Forwards()});
  head_.path = "/a/../b";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(head_.path, "/b");
  head_.path = "/a%00b";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, FailureKind::kBadRequest);
}

TEST_F(RoutingTest, RefusesMethodsInAnotherCaseAndPathsThatAreNotAscii) {
  Routes({Forwards()});
  for (const char* method : {"delete", "Delete", "gET"}) {
    head_.method = method;
    EXPECT_EQ(FailureOf(MatchRoute(call())).kind, FailureKind::kBadRequest) << method;
  }
  head_.method = "M-SEARCH";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  head_.path = "/caf\xc3\xa9";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, FailureKind::kBadRequest);
  head_.path = "/caf%C3%A9?q=\xff";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, FailureKind::kBadRequest);
}

// Faults 44, 46.
TEST_F(RoutingTest, EscapedSlashIsRefusedWhereARuleAsksForThePath) {
  Routes({Forwards()});
  policy::RuleSpec path;
  path.kind = policy::RuleSpec::Kind::kUrlPath;
  path.string = match::StringSpec{};
  policy::RuleSpec any;
  policy::AuthorizationSpec rules;
  rules.rules = policy::RulesSpec{policy::Action::kDeny, {{"paths", {path}, {any}}}};
  http_.authorization = {*policy::Authorization::Compile(rules)};
  head_.path = "/a%2fb";
  EXPECT_EQ(FailureOf(MatchRoute(call())).kind, FailureKind::kBadRequest);
}

TEST_F(RoutingTest, RedirectsAndDirectResponsesAreAnswers) {
  route::RouteSpec moved;
  moved.match.path = {route::PathKind::kExact, "/old"};
  moved.action = route::RedirectSpec{302, "https", "new.example"};
  route::RouteSpec fixed;
  fixed.name = "block_all";
  fixed.action = route::DirectResponseSpec{502, "no"};
  Routes({moved, fixed});
  head_.path = "/old";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  Step step = Prepare(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().head->status, 302);
  EXPECT_EQ(Value(step.answer().head->headers, "location"), "https://new.example/old");
  EXPECT_FALSE(step.answer().failure);
  head_.path = "/";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  step = Prepare(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().head->status, 502);
  EXPECT_EQ(step.answer().message, "no");
  EXPECT_EQ(call().record.routed.service, "BlackHoleCluster");
}

TEST_F(RoutingTest, AnErrorOfTheRouteHasItsCauseAndKeepsStatusAndText) {
  for (const FailureKind kind : {failures::kUnknownHost, failures::kNotHttpPort,
                                 failures::kEgressDenied, failures::kBackendInvalid}) {
    EXPECT_EQ(failures::OfRoute(kind.facts().cause), kind);
  }
  EXPECT_TRUE(failures::OfRoute("").is_none());
  EXPECT_TRUE(failures::OfRoute("of a later version").is_none());
  route::RouteSpec closed;
  closed.action = route::DirectResponseSpec{503, "no\n", "backend_invalid"};
  Routes({closed});
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  const Step step = Prepare(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().failure.kind, failures::kBackendInvalid);
  EXPECT_EQ(step.answer().head->status, 503);
  EXPECT_EQ(step.answer().message, "no\n");
}

TEST_F(RoutingTest, PrepareRewritesTheRequest) {
  route::ForwardSpec forward;
  forward.prefix_rewrite = "/v2";
  forward.host_rewrite = "backend";
  forward.append_forwarded_host = true;
  route::RouteSpec route = Forwards(forward);
  route.match.path = {route::PathKind::kPrefix, "/v1"};
  route.request_headers = {{route::HeaderAction::kAppend, "x-added", "1"}};
  Routes({route});
  head_.path = "/v1/x?q=1";
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  ASSERT_EQ(Prepare(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(head_.path, "/v2/x?q=1");
  EXPECT_EQ(head_.authority, "backend");
  EXPECT_EQ(Header("x-forwarded-host"), "web");
  EXPECT_EQ(Header("x-added"), "1");
  EXPECT_EQ(call().record.routed.cluster, "c");
}

TEST_F(RoutingTest, InternalOnlyHeadersAreRemovedUnlessOurOwnWorkloadCalls) {
  route::RouteTableSpec table;
  table.virtual_hosts.push_back({"h", {"*"}, {Forwards()}});
  table.internal_only_headers = {"x-internal"};
  http_.routes = *route::RouteTable::Compile(table);
  direction_ = config::Direction::kInbound;
  head_.headers.Add("x-internal", "1");
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-internal"), "(none)");
}

TEST_F(RoutingTest, AnUnknownClusterIsAnsweredWithTheStatusOfTheRoute) {
  route::ForwardSpec forward;
  forward.cluster_not_found_status = 404;
  Routes({Forwards(forward)});
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  ASSERT_EQ(Prepare(call()).kind(), Step::Kind::kContinue);
  const Step step = Admit(call());
  EXPECT_EQ(FailureOf(step).kind, failures::kNoCluster);
  EXPECT_EQ(step.answer().head->status, 404);
}

class DecisionsTest : public RoutingTest {
 protected:
  // At the end of the call.
  std::vector<KeptDecision> Explained() {
    Decisions all(arena_);
    ExplainEnd(all, call());
    return all.Copy();
  }
};

TEST_F(DecisionsTest, SayWhatWasConsideredAndWhyNot) {
  route::RouteSpec path = Forwards();
  path.name = "path";
  path.match.path = {route::PathKind::kExact, "/other"};
  route::RouteSpec header = Forwards();
  header.name = "header";
  header.match.headers = {{"x-canary"}};
  Routes({path, header, Forwards()});
  policy::RuleSpec any;
  policy::AuthorizationSpec rules;
  rules.rules = policy::RulesSpec{policy::Action::kDeny, {{"deny-all", {any}, {any}}}};
  http_.authorization = {*policy::Authorization::Compile(rules)};
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  ASSERT_EQ(Authorize(call()).kind(), Step::Kind::kAnswer);
  call().record.failure = {failures::kDenied};
  const std::vector<KeptDecision> all = Explained();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].kind, DecisionKind::kAuthorization);
  EXPECT_EQ(all[0].subject, "deny-all");
  EXPECT_FALSE(all[0].positive);
  EXPECT_EQ(all[1].subject + ": " + all[1].reason, "path: path does not match");
  EXPECT_EQ(all[2].subject + ": " + all[2].reason, "header: headers do not match");
  EXPECT_EQ(all[3].subject + ": " + all[3].reason, "forwards: matches");
  EXPECT_TRUE(all[3].positive);
}

TEST_F(DecisionsTest, ALongListOfRoutesDoesNotHideTheChosenOne) {
  route::RouteSpec other = Forwards();
  other.match.path = {route::PathKind::kExact, "/other"};
  std::vector<route::RouteSpec> routes(300, other);
  routes.push_back(Forwards());
  Routes(std::move(routes));
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  const std::vector<KeptDecision> all = Explained();
  ASSERT_EQ(all.size(), 33u);
  EXPECT_TRUE(all.back().positive);
}

TEST_F(RoutingTest, DecisionsSayWhyAnAttemptIsNotMadeAgain) {
  route::ForwardSpec forward;
  forward.retry.emplace();
  forward.retry->on = route::kRetryOn5xx;
  Routes({Forwards(forward)});
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  http::Head response(arena_);
  response.status = 503;
  call().retries.Allow(0);
  EXPECT_FALSE(MayRetryStatus(call(), response));
  EXPECT_FALSE(MayRetry(call(), {FailureKind::kUpstreamTruncated}, false));
  EXPECT_TRUE(MayRetry(call(), {FailureKind::kUpstreamClosed}, true));
  std::vector<std::string> reasons;
  for (const KeptDecision& one : call().decisions->Copy()) {
    if (one.kind == DecisionKind::kRetry) reasons.push_back(one.reason);
  }
  EXPECT_EQ(reasons, (std::vector<std::string>{"no retries left", "retry_on does not match",
                                               "a reused connection closed: sent on a new one"}));
}

// A retry policy may ask for any number of attempts.
TEST_F(DecisionsTest, AreBounded) {
  Routes({Forwards()});
  for (int i = 0; i < 1000; ++i) Explain(call(), DecisionKind::kRetry, "reset", true, "again");
  EXPECT_EQ(Explained().size(), 512u);
  EXPECT_EQ(call().decisions->dropped(), 488u);
}

TEST_F(RoutingTest, UsualRequestsKeepNoDecisions) {
  Routes({Forwards()});
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  ASSERT_EQ(Authorize(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(call().decisions, nullptr);
}

TEST_F(RoutingTest, ThePolicyThatAllowsIsRecorded) {
  Routes({Forwards()});
  policy::RuleSpec any;
  policy::AuthorizationSpec deny;
  deny.rules = policy::RulesSpec{policy::Action::kDeny, {}};
  policy::AuthorizationSpec allow;
  allow.rules = policy::RulesSpec{policy::Action::kAllow, {{"web-may", {any}, {any}}}};
  http_.authorization = {*policy::Authorization::Compile(allow),
                         *policy::Authorization::Compile(deny)};
  ASSERT_EQ(Authorize(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(call().record.policy, "web-may");
}

}  // namespace
}  // namespace tulle::proxy
