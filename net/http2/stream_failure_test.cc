#include "net/http2/stream_failure.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

namespace tulle::http2 {
namespace {

using Kind = FailureKind;

constexpr EndedStream kServer{.server = true, .head_received = true};

TEST(StreamFailureTest, AServersStreamFailedDownstream) {
  EXPECT_EQ(CloseReason(kServer, NGHTTP2_PROTOCOL_ERROR, false).kind, Kind::kDownstreamProtocol);
  EndedStream reset = kServer;
  reset.reset_by_peer = true;
  EXPECT_EQ(CloseReason(reset, NGHTTP2_CANCEL, false).kind, Kind::kDownstreamClosed);
  EndedStream refused = kServer;
  refused.refused = {Kind::kHeadersTooLarge, "x"};
  EXPECT_EQ(CloseReason(refused, NGHTTP2_CANCEL, false).kind, Kind::kHeadersTooLarge);
}

TEST(StreamFailureTest, ARefusedRequestWasNotProcessed) {
  EndedStream stream;
  EXPECT_EQ(CloseReason(stream, NGHTTP2_REFUSED_STREAM, true).kind, Kind::kUpstreamClosedUnread);
  EXPECT_EQ(CloseReason(stream, NGHTTP2_REFUSED_STREAM, false).kind, Kind::kUpstreamRefusedStream);
  stream.reset_by_peer = true;
  EXPECT_EQ(CloseReason(stream, NGHTTP2_REFUSED_STREAM, true).kind, Kind::kUpstreamRefusedStream);
  EXPECT_EQ(CloseReason(stream, NGHTTP2_CANCEL, false).kind, Kind::kUpstreamReset);
}

TEST(StreamFailureTest, AResponseThatHadBegunIsTruncated) {
  const EndedStream begun{.head_received = true, .refused = {Kind::kUpstreamProtocol, "why"}};
  EXPECT_EQ(CloseReason(begun, NGHTTP2_REFUSED_STREAM, true).kind, Kind::kUpstreamTruncated);
  EXPECT_STREQ(CloseReason(begun, NGHTTP2_CANCEL, false).detail, "why");
  EXPECT_EQ(LossReason(begun, 10, {Kind::kUpstreamClosed}).kind, Kind::kUpstreamTruncated);
}

TEST(StreamFailureTest, OfALostConnectionItMattersWhetherTheRequestWasWritten) {
  const Failure lost{Kind::kUpstreamClosed, "lost"};
  EXPECT_EQ(LossReason({}, 0, lost).kind, Kind::kUpstreamClosedUnused);
  EXPECT_EQ(LossReason({}, 1, lost).kind, Kind::kUpstreamClosed);
  EXPECT_EQ(LossReason({}, 0, {Kind::kUpstreamProtocol}).kind, Kind::kUpstreamProtocol);
  EXPECT_EQ(LossReason(kServer, 0, {Kind::kDownstreamClosed}).kind, Kind::kDownstreamClosed);
}

TEST(StreamFailureTest, ResetsTellThePeerWhoseFaultItWas) {
  EXPECT_EQ(ResetCode(Kind::kNone), NGHTTP2_NO_ERROR);
  EXPECT_EQ(ResetCode(Kind::kBadRequest), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(ResetCode(Kind::kHeadersTooLarge), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(ResetCode(Kind::kDraining), NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(ResetCode(Kind::kUpstreamTruncated), NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(ResetCode(Kind::kRequestTimeout), NGHTTP2_CANCEL);
}

}  // namespace
}  // namespace tulle::http2
