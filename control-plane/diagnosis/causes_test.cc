// Each cause of a failure is explained, whichever sidecar ended the request.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>

#include "control-plane/diagnosis/explanation.h"
#include "control-plane/diagnosis/next_steps_table.h"
#include "control-plane/diagnosis/request_text.h"
#include "control-plane/diagnosis/verdict.h"

namespace tulle::diagnosis {
namespace {

constexpr char kCaller[] = "spiffe://cluster.local/ns/shop/sa/web";
constexpr char kService[] = "spiffe://cluster.local/ns/shop/sa/cart";

Json Record(bool is_outbound) {
  return {{"requestId", "7"},
          {"startedMicros", is_outbound ? 1000 : 1001},
          {"outbound", is_outbound},
          {"proxy", is_outbound ? "web-1" : "cart-1"},
          {"source", kCaller},
          {"destination", kService},
          {"method", "GET"},
          {"authority", "cart"},
          {"path", "/items"},
          {"service", "cart.shop.svc.cluster.local"},
          {"status", 503}};
}

class Causes : public testing::TestWithParam<std::tuple<NextStep, bool>> {
 protected:
  const NextStep& step() const { return std::get<0>(GetParam()); }
  // The service's sidecar ended it, and the caller's passed that on; else the caller's did.
  bool is_inbound() const { return std::get<1>(GetParam()); }

  Json Records() const {
    Json caller = Record(true);
    if (!is_inbound()) {
      caller["cause"] = step().cause;
      return {caller};
    }
    Json service = Record(false);
    service["cause"] = step().cause;
    return {caller, service};
  }
};

bool HasPlaceholder(const std::string& text) { return text.find_first_of("{}") != text.npos; }

TEST_P(Causes, HasAMeaningANextStepAndAnExplanation) {
  const Json records = Records();
  const Verdict verdict = VerdictOn(OrderedHops(records));
  EXPECT_EQ(verdict.hop, is_inbound() ? 1 : 0);
  EXPECT_EQ(verdict.cause, step().cause);
  const std::string sidecar = is_inbound() ? "cart.shop" : "web.shop";
  EXPECT_NE(verdict.meaning.find("the sidecar of " + sidecar + " answered 503, because "),
            std::string::npos)
      << verdict.meaning;
  EXPECT_FALSE(verdict.next_step.empty());
  EXPECT_FALSE(HasPlaceholder(verdict.meaning)) << verdict.meaning;
  EXPECT_FALSE(HasPlaceholder(verdict.next_step)) << verdict.next_step;
  const Json explanation = ExplanationOf({{"requests", records}, {"asked", 2}, {"answered", 2}});
  EXPECT_EQ(explanation.at("verdict").at("cause"), step().cause);
  EXPECT_EQ(explanation.at("verdict").at("nextStep"), verdict.next_step);
  EXPECT_NE(std::string(explanation.at("result")).find(verdict.meaning), std::string::npos)
      << explanation.at("result");
}

TEST_P(Causes, HasTextsThatReadAsSentences) {
  EXPECT_FALSE(step().meaning.empty());
  for (const std::string_view text : {step().meaning, step().outbound, step().inbound}) {
    if (text.empty()) continue;
    EXPECT_NE(text.back(), '.') << text;
    EXPECT_EQ(text.find("  "), text.npos) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Causes,
                         testing::Combine(testing::ValuesIn(AllNextSteps().begin(),
                                                            AllNextSteps().end()),
                                          testing::Bool()),
                         [](const auto& one) {
                           return std::string(std::get<0>(one.param).cause) +
                                  (std::get<1>(one.param) ? "_inbound" : "_outbound");
                         });

TEST(TcpConnections, AreClosedNotAnswered) {
  Json record = Record(false);
  record["method"] = "TCP";
  record["status"] = 0;
  record["cause"] = "plaintext_refused";
  EXPECT_TRUE(VerdictOn(OrderedHops(Json::array({record})))
                  .meaning.starts_with("the sidecar of cart.shop closed the connection, because "));
  record["policy"] = "ns[shop]-policy[all]-mode[STRICT]";
  const Verdict refused = VerdictOn(OrderedHops(Json::array({record})));
  EXPECT_EQ(refused.field, "PeerAuthentication spec.mode");
  EXPECT_NE(refused.command.find("PeerAuthentication"), std::string::npos) << refused.command;
  EXPECT_EQ(HopOutcome(record), "closed plaintext_refused");
}

TEST(Verdict, WhatARetryMadeGoodDidNotEndTheRequest) {
  Json caller = Record(true);
  caller["status"] = 200;
  caller["attempts"] = 2;
  Json first = Record(false);
  first["status"] = 500;
  first["failed"] = true;
  const Json records = Json::array({caller, first});
  EXPECT_EQ(VerdictOn(OrderedHops(records)).hop, -1);
  const Json explanation = ExplanationOf({{"requests", records}, {"asked", 2}, {"answered", 2}});
  EXPECT_FALSE(explanation.contains("verdict"));
  EXPECT_EQ(explanation.at("result"),
            "it succeeded: what failed at hop 2 was made good by a retry or by the service that "
            "called");
}

// A program without a sidecar before it made two calls with one ID: both are of the request.
TEST(Verdict, ACallThatSucceededDoesNotHideOneThatFailed) {
  Json good = Record(true);
  good["status"] = 200;
  good["service"] = "stock.shop.svc.cluster.local";
  good["destination"] = "spiffe://cluster.local/ns/shop/sa/stock";
  Json bad = Record(true);
  bad["startedMicros"] = 9000;
  bad["cause"] = "connect_failed";
  const Verdict verdict = VerdictOn(OrderedHops(Json::array({good, bad})));
  EXPECT_EQ(verdict.cause, "connect_failed");
  EXPECT_EQ(verdict.meaning.find("before that"), std::string::npos) << verdict.meaning;
}

TEST(Verdict, ADenialFurtherOnIsNamed) {
  Json caller = Record(true);
  caller["cause"] = "upstream_protocol_error";
  Json further = Record(false);
  further["cause"] = "denied";
  further["status"] = 403;
  further["policy"] = "ns[shop]-policy[only-lab]-rule[0]";
  const Verdict verdict = VerdictOn(OrderedHops(Json::array({caller, further})));
  EXPECT_EQ(verdict.cause, "upstream_protocol_error");
  EXPECT_NE(verdict.meaning.find("; before that, hop 2 ended with denied by AuthorizationPolicy "
                                 "shop/only-lab"),
            std::string::npos)
      << verdict.meaning;
}

TEST(CausesTable, NamesEachCauseOnce) {
  std::set<std::string_view> seen;
  for (const NextStep& step : AllNextSteps()) EXPECT_TRUE(seen.insert(step.cause).second);
  EXPECT_EQ(NextStepOf("of a later version"), nullptr);
}

}  // namespace
}  // namespace tulle::diagnosis
