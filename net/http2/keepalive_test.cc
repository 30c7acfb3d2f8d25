#include "net/http2/keepalive.h"

#include <gtest/gtest.h>

namespace tulle::http2 {
namespace {

using Action = Keepalive::Action;
using std::chrono::seconds;

Options Every10Seconds(bool if_unanswered = false) {
  Options options;
  options.keepalive_interval = seconds(10);
  options.keepalive_timeout = seconds(3);
  options.keepalive_if_unanswered = if_unanswered;
  return options;
}

TEST(KeepaliveTest, IsOffByDefault) { EXPECT_FALSE(Keepalive(Options()).enabled()); }

TEST(KeepaliveTest, ASilentPeerIsLostAfterOnePing) {
  Keepalive keepalive(Every10Seconds());
  EXPECT_TRUE(keepalive.enabled());
  EXPECT_EQ(keepalive.wait(), seconds(10));
  EXPECT_EQ(keepalive.OnTimer(), Action::kSendPing);
  EXPECT_EQ(keepalive.wait(), seconds(3));
  EXPECT_EQ(keepalive.OnTimer(), Action::kLost);
}

TEST(KeepaliveTest, InputReplacesThePing) {
  Keepalive keepalive(Every10Seconds());
  keepalive.OnInput();
  EXPECT_EQ(keepalive.OnTimer(), Action::kNone);
  EXPECT_EQ(keepalive.wait(), seconds(10));
  EXPECT_EQ(keepalive.OnTimer(), Action::kSendPing);
}

TEST(KeepaliveTest, InputAnswersThePing) {
  Keepalive keepalive(Every10Seconds());
  EXPECT_EQ(keepalive.OnTimer(), Action::kSendPing);
  keepalive.OnInput();
  EXPECT_EQ(keepalive.OnTimer(), Action::kNone);
  EXPECT_EQ(keepalive.wait(), seconds(10));
  EXPECT_EQ(keepalive.OnTimer(), Action::kSendPing);
  EXPECT_EQ(keepalive.OnTimer(), Action::kLost);
}

TEST(KeepaliveTest, MayBeLimitedToWhatIsUnanswered) {
  Keepalive keepalive(Every10Seconds(true));
  EXPECT_EQ(keepalive.OnTimer(), Action::kNone);
  EXPECT_EQ(keepalive.wait(), seconds(10));
  keepalive.OnStreamSent();
  keepalive.OnInput();
  EXPECT_EQ(keepalive.OnTimer(), Action::kNone);
  EXPECT_EQ(keepalive.OnTimer(), Action::kNone);
  keepalive.OnStreamSent();
  EXPECT_EQ(keepalive.OnTimer(), Action::kSendPing);
  EXPECT_EQ(keepalive.OnTimer(), Action::kLost);
}

}  // namespace
}  // namespace tulle::http2
