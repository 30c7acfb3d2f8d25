#include "sidecar/policy/authorization.h"

#include <gtest/gtest.h>

#include "net/base/slab.h"

namespace tulle::policy {
namespace {

using Kind = RuleSpec::Kind;
using match::StringKind;
using match::StringSpec;

RuleSpec Any() { return {}; }
RuleSpec Header(std::string name, std::string value, bool invert = false) {
  RuleSpec rule{Kind::kHeader};
  rule.header = {std::move(name), StringSpec{StringKind::kExact, std::move(value)}, invert};
  return rule;
}
RuleSpec Path(std::string prefix) {
  RuleSpec rule{Kind::kUrlPath};
  rule.string = StringSpec{StringKind::kPrefix, std::move(prefix)};
  return rule;
}
RuleSpec Peer(std::string name) {
  RuleSpec rule{Kind::kAuthenticated};
  rule.string = StringSpec{StringKind::kExact, std::move(name)};
  return rule;
}
RuleSpec Not(RuleSpec child) { return {Kind::kNot, {std::move(child)}}; }
RuleSpec All(std::vector<RuleSpec> children) { return {Kind::kAnd, std::move(children)}; }
RuleSpec Ip(Kind kind, const char* address, uint8_t bits) {
  RuleSpec rule{kind};
  rule.cidr = {*SocketAddress::Parse(address, 0), bits};
  return rule;
}

class AuthorizationTest : public testing::Test {
 protected:
  AuthorizationTest() { subject_.head = &head_; }

  // "allow NAME" or "deny NAME".
  std::string Says(Action action, std::vector<PolicySpec> policies) {
    AuthorizationSpec spec;
    spec.rules = RulesSpec{action, std::move(policies)};
    auto compiled = Authorization::Compile(spec);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    const Verdict verdict = (*compiled)->Decide(subject_).verdict;
    return (verdict.allowed ? "allow " : "deny ") + std::string(verdict.policy);
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Head head_{arena_};
  Subject subject_;
};

TEST_F(AuthorizationTest, WhatIsNotAllowedIsExplainedByEachPolicy) {
  AuthorizationSpec spec;
  const RuleSpec read = All({Header(":method", "GET"), Path("/items")});
  spec.rules = RulesSpec{Action::kAllow,
                         {{"a-reads", {read}, {Peer("spiffe://m/ns/x/sa/a")}},
                          {"b-reads", {read}, {Peer("spiffe://m/ns/x/sa/b")}},
                          {"inner", {Any()}, {Not(Peer("spiffe://m/ns/x/sa/b"))}}}};
  const auto compiled = Authorization::Compile(spec);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  const auto why = [&](size_t most) {
    std::string text;
    for (const Mismatch& one : (*compiled)->Mismatches(subject_, most))
      text += std::string(one.policy) + ": " + one.reason + "; ";
    return text;
  };
  const std::string_view names[] = {"spiffe://m/ns/x/sa/b"};
  subject_.authenticated = true;
  subject_.uri_sans = names;
  head_.method = "GET";
  head_.path = "/other?x=/items";
  EXPECT_EQ(why(9),
            "a-reads: caller does not match, path does not match; "
            "b-reads: path does not match; inner: caller is excluded; ");
  EXPECT_EQ(why(1), "a-reads: caller does not match, path does not match; ");
  head_.method = "PUT";
  head_.path = "/items/1";
  EXPECT_TRUE(why(9).find("b-reads: method does not match; ") != std::string::npos) << why(9);
  subject_ = {};
  subject_.head = &head_;
  head_.method = "GET";
  EXPECT_TRUE(why(1) == "a-reads: caller, which has no certificate, does not match; ") << why(1);
  spec.rules->action = Action::kDeny;
  EXPECT_TRUE((*Authorization::Compile(spec))->Mismatches(subject_, 9).empty());
}

TEST_F(AuthorizationTest, ActionsAndNames) {
  EXPECT_EQ(Says(Action::kAllow, {}), "deny ");
  EXPECT_EQ(Says(Action::kDeny, {}), "allow ");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {Any()}}}), "allow p");
  EXPECT_EQ(Says(Action::kDeny, {{"b", {Any()}, {Any()}}, {"a", {Any()}, {Any()}}}), "deny a");
  EXPECT_EQ(Says(Action::kLog, {{"p", {Any()}, {Any()}}}), "allow p");
  EXPECT_EQ(Says(Action::kLog, {}), "allow ");
  EXPECT_EQ(DenialDetail({false, "p"}, arena_), "rbac_access_denied_matched_policy[p]");
  EXPECT_EQ(DenialDetail({false, ""}, arena_), "rbac_access_denied_matched_policy[none]");
}

TEST_F(AuthorizationTest, PathMethodAndPrincipalTogether) {
  const std::string_view client = "spiffe://example.org/ns/default/sa/client";
  const PolicySpec policy{
      "p", {All({Path("/test.Echo/"), Header(":method", "POST")})}, {Peer(std::string(client))}};
  head_.method = "POST";
  head_.path = "/test.Echo/Say?x=/other";
  EXPECT_EQ(Says(Action::kAllow, {policy}), "deny ") << "not authenticated";
  subject_.authenticated = true;
  subject_.uri_sans = {&client, 1};
  EXPECT_EQ(Says(Action::kAllow, {policy}), "allow p");
  head_.method = "GET";
  EXPECT_EQ(Says(Action::kAllow, {policy}), "deny ");
  head_.method = "POST";
  head_.path = "/other?/test.Echo/";
  EXPECT_EQ(Says(Action::kAllow, {policy}), "deny ");
}

TEST_F(AuthorizationTest, SubjectCountsOnlyWithoutNames) {
  subject_.authenticated = true;
  subject_.subject = "CN=client";
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {Peer("CN=client")}}}), "allow p");
  const std::string_view dns = "client.test";
  subject_.dns_sans = {&dns, 1};
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {Peer("client.test")}}}), "allow p");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {Peer("CN=client")}}}), "deny ");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {RuleSpec{Kind::kAuthenticated}}}}), "allow p");
}

TEST_F(AuthorizationTest, Fault46_DenyLooksAtEveryCopyOfAHeader) {
  head_.headers.Add("x-role", "user");
  head_.headers.Add("x-role", "admin");
  EXPECT_EQ(Says(Action::kDeny, {{"p", {Header("x-role", "admin")}, {Any()}}}), "deny p");
  EXPECT_EQ(Says(Action::kDeny, {{"p", {Not(Header("x-role", "user"))}, {Any()}}}), "deny p");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Header("x-role", "user")}, {Any()}}}), "deny ");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Not(Header("x-role", "admin"))}, {Any()}}}), "deny ");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Not(Header("x-role", "guest"))}, {Any()}}}), "allow p");
}

TEST_F(AuthorizationTest, BytesNeverBypassARuleOnRequests) {
  subject_.head = nullptr;
  EXPECT_EQ(Says(Action::kDeny, {{"p", {Path("/admin")}, {Any()}}}), "deny p");
  EXPECT_EQ(Says(Action::kDeny, {{"p", {Not(Header(":method", "GET"))}, {Any()}}}), "deny p");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Path("/")}, {Any()}}}), "deny ");
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Not(Path("/admin"))}, {Any()}}}), "deny ");
}

TEST_F(AuthorizationTest, AddressesPortsAndServerName) {
  subject_.direct_remote = *SocketAddress::Parse("10.1.2.3", 5);
  subject_.destination = *SocketAddress::Parse("2001:db8::1", 443);
  subject_.server_name = "a.test";
  RuleSpec port{Kind::kDestinationPort};
  port.port_first = 400;
  port.port_last = 443;
  RuleSpec name{Kind::kServerName};
  name.string = StringSpec{StringKind::kExact, "a.test"};
  const RuleSpec address = Ip(Kind::kDestinationIp, "2001:db8::", 33);
  EXPECT_EQ(Says(Action::kAllow, {{"p", {All({port, name, address})}, {Any()}}}), "allow p");
  const auto direct = [&](const char* prefix, uint8_t bits) {
    return Says(Action::kAllow, {{"p", {Any()}, {Ip(Kind::kDirectRemoteIp, prefix, bits)}}});
  };
  EXPECT_EQ(direct("10.1.2.0", 23), "allow p");
  EXPECT_EQ(direct("10.1.4.0", 23), "deny ");
  EXPECT_EQ(direct("0.0.0.0", 0), "allow p");
  EXPECT_EQ(direct("::", 0), "deny ");
  subject_.direct_remote = *SocketAddress::Parse("::ffff:10.1.2.3", 5);
  EXPECT_EQ(direct("10.1.2.0", 24), "allow p") << "a mapped address is the IPv4 address";
  subject_.remote = *SocketAddress::Parse("192.0.2.1", 5);
  EXPECT_EQ(Says(Action::kAllow, {{"p", {Any()}, {Ip(Kind::kRemoteIp, "192.0.2.0", 24)}}}),
            "allow p");
}

TEST_F(AuthorizationTest, ShadowRulesOnlyReport) {
  AuthorizationSpec spec;
  spec.shadow_rules = RulesSpec{Action::kDeny, {{"p", {Any()}, {Any()}}}};
  auto compiled = Authorization::Compile(spec);
  ASSERT_TRUE(compiled.ok());
  const Decision decision = (*compiled)->Decide(subject_);
  EXPECT_TRUE(decision.verdict.allowed);
  ASSERT_TRUE(decision.shadow.has_value());
  EXPECT_FALSE(decision.shadow->allowed);
  EXPECT_EQ(decision.shadow->policy, "p");
}

TEST_F(AuthorizationTest, InvalidRulesNameTheirPosition) {
  AuthorizationSpec spec;
  spec.rules = RulesSpec{Action::kAllow, {{"p", {Any(), All({})}, {Any()}}}};
  const auto status = Authorization::Compile(spec).status();
  EXPECT_NE(std::string(status.message()).find("policies[p].permissions[1]"), std::string::npos);
  spec.rules = RulesSpec{Action::kAllow, {{"p", {}, {Any()}}}};
  EXPECT_FALSE(Authorization::Compile(spec).ok());
}

TEST_F(AuthorizationTest, ReportsWhichPropertiesItUses) {
  AuthorizationSpec spec;
  spec.rules = RulesSpec{Action::kDeny, {{"p", {Not(Path("/a"))}, {Any()}}}};
  EXPECT_TRUE((*Authorization::Compile(spec))->asks_path());
  EXPECT_FALSE((*Authorization::Compile(spec))->asks_header());
}

}  // namespace
}  // namespace tulle::policy
