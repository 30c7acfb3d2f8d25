// The n-th system call of each kind fails, for each n that a request reaches. At most that request
// may end, the next one is served, and nothing is leaked.
#include "tests/failures/failing_calls.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/failures/two_hops.h"

namespace tulle::failures {
namespace {

struct Failing {
  const char* name;
  Call call;
  Fault fault;
  bool unseen;  // the response is as if nothing had failed
};

class FailingCallsTest : public testing::TestWithParam<Failing> {};

// With `before` requests on the same worker, whose upstream connections may be reused.
void FailEach(const Failing& failing, int before) {
  constexpr int kMost = 200;
  TwoHops hops;
  int nth = 1;
  for (bool struck = true; struck && nth < kMost; ++nth) {
    SCOPED_TRACE(std::string(NameOf(failing.call)) + " number " + std::to_string(nth));
    const size_t held = hops.Run([&] {
      for (int i = 0; i < before; ++i) EXPECT_EQ(hops.Post().status, 200);
      Calls().Arm(failing.call, failing.fault, nth);
      const Answer answer = hops.Post();
      struck = Calls().Disarm();
      const Answer next = hops.Post();
      if (failing.unseen) {
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.whole);
      }
      EXPECT_EQ(next.status, 200);
      EXPECT_TRUE(next.whole);
    });
    EXPECT_EQ(held, 0u);
    EXPECT_TRUE(hops.LeftNothingOpen());
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_LT(nth, kMost);
  EXPECT_TRUE(nth > 2 || before > 0) << "no such call was made";
}

TEST_P(FailingCallsTest, EndsAtMostThatRequest) { FailEach(GetParam(), 0); }

TEST_P(FailingCallsTest, EndsAtMostThatRequestOnKeptConnections) { FailEach(GetParam(), 1); }

constexpr Failing kFailing[] = {
    {"ReadInterrupted", Call::kReadv, {EINTR}, true},
    {"ReadNotNow", Call::kReadv, {EAGAIN}, true},
    {"ReadShort", Call::kReadv, {0, 1}, true},
    {"ReadReset", Call::kReadv, {ECONNRESET}, false},
    {"ReadWithoutMemory", Call::kReadv, {ENOMEM}, false},
    {"WriteInterrupted", Call::kSendmsg, {EINTR}, true},
    {"WriteNotNow", Call::kSendmsg, {EAGAIN}, true},
    {"WriteShort", Call::kSendmsg, {0, 1}, true},
    {"WriteReset", Call::kSendmsg, {ECONNRESET}, false},
    {"WriteWithoutBuffers", Call::kSendmsg, {ENOBUFS}, false},
    {"AcceptWithoutDescriptors", Call::kAccept4, {EMFILE}, true},
    {"AcceptInterrupted", Call::kAccept4, {EINTR}, true},
    {"AcceptNotNow", Call::kAccept4, {EAGAIN}, true},
    {"AcceptOfOneWhoLeft", Call::kAccept4, {ECONNABORTED}, true},
    {"SocketWithoutDescriptors", Call::kSocket, {EMFILE}, false},
    {"ConnectWithoutPorts", Call::kConnect, {EADDRNOTAVAIL}, false},
    {"ConnectReset", Call::kConnect, {ECONNRESET}, false},
    {"ShutdownNotConnected", Call::kShutdown, {ENOTCONN}, false},
    {"SetOptionWithoutBuffers", Call::kSetsockopt, {ENOBUFS}, true},
    {"GetOptionWithoutBuffers", Call::kGetsockopt, {ENOBUFS}, false},
    {"OwnNameWithoutBuffers", Call::kGetsockname, {ENOBUFS}, true},
    {"WatchWithoutSpace", Call::kEpollAdd, {ENOSPC}, false},
    {"WatchWithoutMemory", Call::kEpollAdd, {ENOMEM}, false},
};
INSTANTIATE_TEST_SUITE_P(Each, FailingCallsTest, testing::ValuesIn(kFailing),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace tulle::failures
