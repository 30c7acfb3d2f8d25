// How long a request may take, and the clocks that hold it to that.
#include "sidecar/proxy/timeouts.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/grpc/status.h"
#include "sidecar/proxy/clocks.h"
#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TimeoutsTest : public testing::CallWorld, protected ClockEvents {
 protected:
  void Route(route::ForwardSpec forward) {
    Routes({Forwards(std::move(forward))});
    ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  }
  std::optional<loop::Duration> grpc_timeout() {
    return grpc::ParseTimeout(Header("grpc-timeout"));
  }
  void OnTime(Clock clock) override { expired_.push_back(clock); }
  std::vector<Clock> expired_;
};

TEST_F(TimeoutsTest, TheNextHopIsToldWhatIsLeftOfTheTightestBound) {
  route::ForwardSpec forward;
  forward.timeout = seconds(10);
  forward.max_stream_duration = seconds(4);
  Route(forward);
  call().request.ended = true;
  call().record.times.request_ended = loop_->Now();
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(TimeLeft(call()), seconds(3));
  SendTimeLeft(call());
  EXPECT_EQ(Header("x-envoy-expected-rq-timeout-ms"), "3000");
  EXPECT_EQ(Header("grpc-timeout"), "(none)");
}

TEST_F(TimeoutsTest, GrpcDeadlineOfTheCallerShrinksOnTheWay) {
  head_.headers.Add("grpc-timeout", "2S");
  route::ForwardSpec forward;
  forward.timeout = seconds(0);
  Route(forward);
  call().record.grpc = call().arena.New<GrpcBodies>();
  simulation_.RunFor(milliseconds(500));
  SendTimeLeft(call());
  EXPECT_EQ(grpc_timeout(), milliseconds(1500));
  SendTimeLeft(call());  // what we wrote is not taken for the caller's
  EXPECT_EQ(grpc_timeout(), milliseconds(1500));
}

TEST_F(TimeoutsTest, GrpcTimeoutHeaderIsHonouredUpToItsMaximum) {
  head_.headers.Add("grpc-timeout", "60S");
  route::ForwardSpec forward;
  forward.grpc_timeout_max = seconds(5);
  forward.grpc_timeout_offset = seconds(1);
  Route(forward);
  EXPECT_EQ(AllowedDuration(call()), seconds(4));
}

TEST_F(TimeoutsTest, RouteTimeoutRunsFromTheEndOfTheRequest) {
  route::ForwardSpec forward;
  forward.timeout = seconds(1);
  Route(forward);
  RequestClocks clocks(call(), *this);
  clocks.StartAttempt();
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(expired_.empty());
  call().request.ended = true;
  clocks.StartAttempt();
  simulation_.RunFor(seconds(2));
  EXPECT_EQ(expired_, std::vector<Clock>{Clock::kRequest});
}

TEST_F(TimeoutsTest, EachAttemptHasItsOwnTime) {
  route::ForwardSpec forward;
  forward.timeout = seconds(10);
  forward.retry.emplace().per_try_timeout = seconds(1);
  Route(forward);
  call().request.ended = true;
  RequestClocks clocks(call(), *this);
  clocks.StartAttempt();
  clocks.EndAttempt();
  simulation_.RunFor(seconds(2));
  EXPECT_TRUE(expired_.empty());
  clocks.StartAttempt();
  simulation_.RunFor(seconds(2));
  EXPECT_EQ(expired_, std::vector<Clock>{Clock::kPerTry});
}

TEST_F(TimeoutsTest, ADelayIsNotABackOff) {
  Route({});
  RequestClocks clocks(call(), *this);
  clocks.StartDelay(seconds(2));
  clocks.StartBackOff(seconds(1));
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(expired_, (std::vector<Clock>{Clock::kBackOff, Clock::kDelay}));
}

TEST_F(TimeoutsTest, IdleTimeoutOfTheRouteReplacesTheListeners) {
  http_.stream_idle_timeout = seconds(7);
  route::ForwardSpec forward;
  forward.idle_timeout = seconds(3);
  Routes({Forwards(forward)});
  EXPECT_EQ(IdleTimeout(call()), seconds(7));
  ASSERT_EQ(MatchRoute(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(IdleTimeout(call()), seconds(3));
}

TEST_F(TimeoutsTest, NothingExpiresAfterClear) {
  route::ForwardSpec forward;
  forward.timeout = seconds(1);
  Route(forward);
  call().request.ended = true;
  RequestClocks clocks(call(), *this);
  clocks.StartStream();
  clocks.StartAttempt();
  clocks.Clear();
  simulation_.RunFor(seconds(600));
  EXPECT_TRUE(expired_.empty());
}

}  // namespace
}  // namespace tulle::proxy
