#include "sidecar/proxy/request_recorder.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sidecar/proxy/answer.h"
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
    RequestRecorder(*loop_, &worker_).Write(one, request);
    return *worker_.ring.Read(worker_.ring.next() - 1);
  }
  void FailWith(Failure failure) {
    call().record.failure = failure;
    call().record.status = failure.facts().status;
  }

  recorder::WorkerRecorder worker_{0};
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
  EXPECT_EQ(worker_.failures.noted(), 0u);
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
  const auto failed = worker_.failures.Get(0);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->record.number(), kept.number());
  ASSERT_EQ(failed->decisions.size(), 1u);
  EXPECT_EQ(failed->decisions[0].kind, "route");
  EXPECT_EQ(failed->decisions[0].subject, "other");
  EXPECT_EQ(failed->decisions[0].reason, "path does not match");
}

TEST_F(RequestRecorderTest, FailuresBeyondTheBudgetAreCounted) {
  FailWith({failures::kRateLimited});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(End()[Text::kCause], "rate_limited");
  EXPECT_EQ(worker_.failures.noted(), 100u);
  EXPECT_EQ(worker_.failures.kept(), 40u);
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
  RequestRecorder(*loop_, &worker_).Write(one, request);
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
