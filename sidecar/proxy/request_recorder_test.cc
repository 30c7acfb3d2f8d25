#include "sidecar/proxy/request_recorder.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/response.h"
#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

using recorder::Text;

class RequestRecorderTest : public testing::CallWorld {
 protected:
  RequestRecorderTest() {
    head_.path = "/items/1?token=secret";
    head_.headers.Add("x-request-id", "id-1");
    peer_.spiffe_id = "spiffe://mesh/ns/shop/sa/web";
  }
  // As the phases leave a call.
  recorder::Record End() {
    Call& one = call();
    one.record.request = &head_;
    one.record.original_path = head_.path;
    one.record.times.ended = loop_->Now();
    const EndedRequest request{{one.chain.owner, direction_, peer_known_ ? &peer_ : nullptr,
                                peer_known_, caller_.peer_address(), caller_.local_address(), ""},
                               one.record,
                               one.response.head};
    recorder_.Write(one, request);
    return *worker_.ring.Read(worker_.ring.next() - 1);
  }
  void FailWith(Failure failure) {
    call().record.failure = failure;
    call().record.status = failure.facts().status;
  }

  recorder::WorkerRecorder worker_{0};
  RequestRecorder recorder_{*loop_, &worker_};
  PeerIdentity peer_;
  bool peer_known_ = false;
};

TEST_F(RequestRecorderTest, RecordsWhatIsKnownAtTheEnd) {
  direction_ = config::Direction::kInbound;
  chain_spec_.service = "cart.shop.svc.cluster.local";
  peer_known_ = true;
  DecisionRecord& record = call().record;
  record.status = 200;
  record.routed.route = "items";
  record.routed.cluster = "inbound|80";
  record.policy = "web-may-call-cart";
  record.retries.attempts = 2;
  record.upstream.address = *SocketAddress::Parse("2001:db8::1", 8080);
  record.bytes = {11, 279};
  // The same instant: reached all the same.
  record.times.upstream_asked = record.times.started;
  services_.configured = std::chrono::system_clock::time_point(std::chrono::seconds(1'795'255'233));
  const recorder::Record kept = End();
  EXPECT_EQ(kept[Text::kRequestId], "id-1");
  EXPECT_EQ(kept[Text::kMethod], "GET");
  EXPECT_EQ(kept[Text::kAuthority], "web");
  EXPECT_EQ(kept[Text::kPath], "/items/1");
  EXPECT_EQ(kept[Text::kSource], "spiffe://mesh/ns/shop/sa/web");
  EXPECT_EQ(kept[Text::kService], "cart.shop.svc.cluster.local");
  EXPECT_EQ(kept[Text::kRoute], "items");
  EXPECT_EQ(kept[Text::kCluster], "inbound|80");
  EXPECT_EQ(kept[Text::kPolicy], "web-may-call-cart");
  EXPECT_EQ(kept[Text::kCause], "");
  EXPECT_EQ(kept.source_address(), "10.0.0.9:40000");
  EXPECT_EQ(kept.endpoint(), "[2001:db8::1]:8080");
  EXPECT_EQ(kept.numbers().status, 200);
  EXPECT_EQ(kept.numbers().configured, 1'795'255'233'000'000'000);
  EXPECT_EQ(kept.numbers().attempts, 2u);
  EXPECT_EQ(kept.numbers().request_bytes, 11u);
  EXPECT_EQ(kept.numbers().response_bytes, 279u);
  EXPECT_EQ(kept.numbers().upstream_asked, 1u);
  EXPECT_EQ(kept.numbers().upstream_answered, 0u);
  EXPECT_TRUE(kept.Has(recorder::kMutualTls));
  EXPECT_FALSE(kept.Has(recorder::kOutbound));
  EXPECT_FALSE(kept.Has(recorder::kFailed));
  EXPECT_EQ(worker_.ring.failed(), 0u);
  EXPECT_EQ(worker_.ring.next_explanation(), 0u);
}

TEST_F(RequestRecorderTest, FailuresKeepWhatWasConsidered) {
  route::RouteSpec other = Forwards();
  other.name = "other";
  other.match.path = {route::PathKind::kExact, "/other"};
  Routes({other});
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  FailWith({failures::kNoRoute});
  const recorder::Record kept = End();
  EXPECT_TRUE(kept.Has(recorder::kFailed));
  EXPECT_EQ(kept[Text::kCause], "no_route");
  EXPECT_EQ(kept[Text::kFlag], "NR");
  EXPECT_EQ(kept[Text::kDetail], "route_not_found");
  EXPECT_EQ(worker_.ring.failed(), 1u);
  const auto explanation = worker_.ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  EXPECT_EQ(explanation->record().number(), kept.number());
  ASSERT_EQ(explanation->decisions().size(), 1u);
  const recorder::Decision decision = explanation->decisions()[0];
  EXPECT_EQ(decision.kind, DecisionKind::kRoute);
  EXPECT_EQ(decision.subject, "other");
  EXPECT_EQ(decision.reason, "path does not match");
}

TEST_F(RequestRecorderTest, FailuresBeyondTheBudgetOfTheirCauseAreCounted) {
  FailWith({failures::kRateLimited});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(End()[Text::kCause], "rate_limited");
  EXPECT_EQ(worker_.ring.failed(), 100u);
  EXPECT_EQ(worker_.ring.next_explanation(), 40u);
  // A flood of one cause does not hide a failure of another, nor what was retried.
  FailWith({failures::kNoRoute});
  End();
  EXPECT_EQ(worker_.ring.next_explanation(), 41u);
  call().record.failure = {};
  call().record.status = 200;
  call().record.routed.cluster = "c";
  Explain(call(), DecisionKind::kRetry, "status", true, "retry_on matches");
  End();
  EXPECT_EQ(worker_.ring.next_explanation(), 42u);
  EXPECT_EQ(worker_.ring.failed(), 101u);
}

TEST_F(RequestRecorderTest, SlowResponsesAreExplained) {
  DecisionRecord& record = call().record;
  record.status = 200;
  record.routed.cluster = "c";
  record.times.upstream_answered = record.times.started + RequestRecorder::kSlow;
  End();
  EXPECT_EQ(worker_.ring.next_explanation(), 0u);
  record.times.upstream_answered += loop::Duration(1);
  End();
  EXPECT_EQ(worker_.ring.next_explanation(), 1u);
  EXPECT_EQ(worker_.ring.failed(), 0u);
}

// Forwarding has changed the path: the reason is that of the path as it came.
TEST_F(RequestRecorderTest, TheRoutesBeforeTheChosenOneAreExplained) {
  route::RouteSpec other = Forwards();
  other.name = "";
  other.match.path = {route::PathKind::kExact, "/other"};
  route::RouteSpec last = Forwards();
  last.name = "last";
  Routes({other, Forwards(), last});
  call().record.original_path = head_.path;
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  head_.path = "/other";
  call().record.routed.cluster = "c";
  call().record.status = 503;
  call().record.policy = "ns[shop]-policy[web]-rule[2]";
  call().record.request = &head_;
  call().record.times.ended = loop_->Now();
  const EndedRequest request{
      {call().chain.owner, direction_, nullptr, false, {}, {}, ""}, call().record, nullptr};
  recorder_.Write(call(), request);
  const auto explanation = worker_.ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  std::string text;
  for (const recorder::Decision& one : explanation->decisions()) {
    text += std::string(TextOf(one.kind)) + " " + std::string(one.subject) +
            (one.positive ? " + " : " - ") + ReasonInWords(one) + "\n";
  }
  EXPECT_EQ(text,
            "route routes[0] - path does not match\n"
            "route forwards + matches\n"
            "authorization ns[shop]-policy[web]-rule[2] + policy matches\n");
}

TEST_F(RequestRecorderTest, WhatIsTheSameForAllRequestsIsKeptOnce) {
  recorder_.SetOwn("spiffe://mesh/ns/shop/sa/web");
  const std::chrono::system_clock::time_point since(std::chrono::seconds(1'795'255'233));
  recorder_.SetConfiguration(since, "7: RouteConfiguration web version 3fa9");
  services_.configured = since;
  call().record.status = 200;
  const recorder::Record kept = End();
  EXPECT_EQ(worker_.ring.own(), "spiffe://mesh/ns/shop/sa/web");
  EXPECT_EQ(worker_.ring.ConfigurationSince(kept.numbers().configured),
            "7: RouteConfiguration web version 3fa9");
}

TEST_F(RequestRecorderTest, ErrorsOfTheServerAreFailures) {
  call().record.routed.cluster = "c";
  call().record.status = 500;
  EXPECT_TRUE(End().Has(recorder::kFailed));
  call().record.status = 200;
  call().record.grpc_status = "14";
  EXPECT_TRUE(End().Has(recorder::kFailed));
  call().record.grpc_status = "5";  // NOT_FOUND
  EXPECT_FALSE(End().Has(recorder::kFailed));
  call().record.grpc_status = "";
  call().record.status = 404;
  EXPECT_FALSE(End().Has(recorder::kFailed));
  // Of a route itself.
  call().record.routed.cluster = "";
  EXPECT_TRUE(End().Has(recorder::kFailed));
}

// The downstream codec refused it.
TEST_F(RequestRecorderTest, RequestsWithoutAHeadAreRecorded) {
  FailWith({FailureKind::kBadRequest});
  Call& one = call();
  one.request.head = nullptr;
  const EndedRequest request{{one.chain.owner, direction_, nullptr, false, caller_.peer_address(),
                              caller_.local_address(), ""},
                             one.record,
                             nullptr};
  recorder_.Write(one, request);
  const auto kept = worker_.ring.Read(0);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->numbers().status, 400);
  EXPECT_EQ((*kept)[Text::kMethod], "");
  EXPECT_EQ((*kept)[Text::kCause], FailureKind::kBadRequest.facts().cause);
}

TEST_F(RequestRecorderTest, WithoutARecorderNothingIsDone) {
  FailWith({failures::kDenied});
  const EndedRequest request{
      {call().chain.owner, direction_, nullptr, false, {}, {}, ""}, call().record, nullptr};
  RequestRecorder(*loop_, nullptr).Write(call(), request);
  EXPECT_EQ(worker_.ring.next(), 0u);
}

}  // namespace
}  // namespace tulle::proxy
