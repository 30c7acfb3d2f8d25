// The phases of a response: those of the upstream and our own answers pass through the same ones.
#include "sidecar/proxy/response.h"

#include <gtest/gtest.h>

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/testing/call_world.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

class ResponseTest : public testing::CallWorld {
 protected:
  std::string_view Sent(std::string_view name) {
    return Value(call().response.head->headers, name);
  }
};

TEST_F(ResponseTest, AFailureHasTheStatusAndTextOfItsFacts) {
  const Step step = Fail(call(), {failures::kDenied});
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_TRUE(ReceiveAnswer(call(), step.answer()));
  EXPECT_EQ(call().response.head->status, 403);
  EXPECT_EQ(call().record.status, 403);
  EXPECT_EQ(Sent("content-type"), "text/plain");
  EXPECT_EQ(Sent("content-length"), "19");
  Buffer body(loop_->slab());
  EXPECT_TRUE(step.answer().body->Read(body, 1000));
  EXPECT_EQ(body.ToString(), "RBAC: access denied");
}

TEST_F(ResponseTest, TimeoutIs408WhileTheRequestIsStillReceived) {
  EXPECT_EQ(Fail(call(), {FailureKind::kRequestTimeout}).answer().head->status, 408);
  call().request.ended = true;
  EXPECT_EQ(Fail(call(), {FailureKind::kRequestTimeout}).answer().head->status, 504);
}

TEST_F(ResponseTest, GrpcCallersGetTrailersOnlyResponses) {
  call().record.grpc = call().arena.New<GrpcBodies>();
  EXPECT_FALSE(ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer()));
  EXPECT_EQ(call().response.head->status, 200);
  EXPECT_EQ(Sent("grpc-status"), "7");
  EXPECT_EQ(Sent("grpc-message"), "RBAC: access denied");
  EXPECT_EQ(Sent("content-type"), "application/grpc");
  EXPECT_FALSE(ReceiveAnswer(call(), Respond(call(), 404, {}).answer()));
  EXPECT_EQ(Sent("grpc-status"), "12");
}

TEST_F(ResponseTest, TheMessageForGrpcCallersIsPercentEncoded) {
  call().record.grpc = call().arena.New<GrpcBodies>();
  ReceiveAnswer(call(), Respond(call(), 503, "50 % off\ncaf\u00e9").answer());
  EXPECT_EQ(Sent("grpc-message"), "50 %25 off%0Acaf%C3%A9");
}

TEST_F(ResponseTest, LocalErrorsTellTheRequestId) {
  ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer());
  EXPECT_EQ(Sent("x-request-id"), "(none)");
  head_.headers.Add("x-request-id", "id-1");
  ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer());
  EXPECT_EQ(Sent("x-request-id"), "id-1");
  ReceiveAnswer(call(), Respond(call(), 404, "gone").answer());
  EXPECT_EQ(Sent("x-request-id"), "id-1");
  ReceiveAnswer(call(), Respond(call(), 200, "fine").answer());
  EXPECT_EQ(Sent("x-request-id"), "(none)");
}

TEST_F(ResponseTest, LocalErrorsTellTheCauseIfThatIsWanted) {
  ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer());
  EXPECT_EQ(Sent("x-tulle-cause"), "(none)");
  services_.shows_causes = true;
  ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer());
  EXPECT_EQ(Sent("x-tulle-cause"), "denied");
  ReceiveAnswer(call(), Redirect(call(), 302, "/elsewhere").answer());
  EXPECT_EQ(Sent("x-tulle-cause"), "(none)");
  http::Head upstream(call().arena);
  upstream.headers.Add("x-tulle-cause", "theirs");
  ReceiveResponse(call(), upstream);
  PrepareResponse(call());
  EXPECT_EQ(Sent("x-tulle-cause"), "theirs");
}

TEST_F(ResponseTest, LocalRepliesTellTheDate) {
  ReceiveAnswer(call(), Fail(call(), {failures::kDenied}).answer());
  const std::string_view date = Sent("date");
  ASSERT_EQ(date.size(), 29u) << date;
  EXPECT_TRUE(date.ends_with(" GMT"));
}

TEST(HttpDateTest, IsInTheFormOfRfc9110) {
  using std::chrono::milliseconds;
  using std::chrono::system_clock;
  HttpDate date;
  const auto at = [](int64_t second, int more) {
    return system_clock::time_point(std::chrono::seconds(second) + milliseconds(more));
  };
  EXPECT_EQ(date.At(at(784111777, 0)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.At(at(784111777, 999)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.At(at(784111778, 0)), "Sun, 06 Nov 1994 08:49:38 GMT");
  EXPECT_EQ(date.At(at(1798675199, 0)), "Wed, 30 Dec 2026 23:59:59 GMT");
}

TEST_F(ResponseTest, HeadRequestsGetNoBody) {
  head_.method = "HEAD";
  EXPECT_FALSE(ReceiveAnswer(call(), Respond(call(), 200, "text").answer()));
  EXPECT_EQ(Sent("content-length"), "4");
}

TEST_F(ResponseTest, OverloadIsMarked) {
  ReceiveAnswer(call(), Fail(call(), {upstream::failures::kOverflow}).answer());
  EXPECT_EQ(Sent("x-envoy-overloaded"), "true");
}

TEST_F(ResponseTest, LocalAndUpstreamResponsesGetTheSameHeaders) {
  route::RouteSpec route = Forwards();
  route.response_headers = {{route::HeaderAction::kAppend, "x-from", "route"}};
  Routes({route});
  http_.via = "tulle";
  http_.request_id_in_response = true;
  head_.headers.Add("x-request-id", "id-1");
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  call().policy.quota = RateLimitQuota{10, 3, 5};
  auto check = [&] {
    PrepareResponse(call());
    EXPECT_EQ(Sent("x-from"), "route");
    EXPECT_EQ(Sent("server"), "tulle");
    EXPECT_EQ(Sent("via"), "tulle");
    EXPECT_EQ(Sent("x-request-id"), "id-1");
    EXPECT_EQ(Sent("x-ratelimit-remaining"), "3");
  };
  http::Head upstream(call().arena);
  upstream.status = 200;
  ReceiveResponse(call(), upstream);
  check();
  ReceiveAnswer(call(), Redirect(call(), 302, "/elsewhere").answer());
  check();
  EXPECT_EQ(Sent("location"), "/elsewhere");
}

TEST_F(ResponseTest, TrailersHaveTheLastWordOnTheGrpcStatus) {
  http::Head head(call().arena);
  head.headers.Set(http::HeaderId::kGrpcStatus, "0");
  ReceiveResponse(call(), head);
  EXPECT_EQ(call().record.grpc_status, "0");
  http::HeaderMap trailers(call().arena);
  trailers.Set(http::HeaderId::kGrpcStatus, "14");
  EndResponse(call(), &trailers);
  EXPECT_EQ(call().record.grpc_status, "14");
  EXPECT_TRUE(call().response.ended);
}

}  // namespace
}  // namespace tulle::proxy
