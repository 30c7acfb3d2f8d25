#include "net/http2/stream_ids.h"

#include <gtest/gtest.h>

namespace tulle::http2 {
namespace {

using Use = StreamIds::Use;

TEST(StreamIdsTest, HigherIdsOpenAndOthersAreKnown) {
  StreamIds ids(true);
  EXPECT_EQ(ids.OnHeaders(1), Use::kOpens);
  EXPECT_EQ(ids.OnHeaders(3), Use::kOpens);
  EXPECT_EQ(ids.OnHeaders(1), Use::kKnown);  // trailers
}

TEST(StreamIdsTest, AServerOpensNoStreams) {
  StreamIds ids(false);
  EXPECT_EQ(ids.OnHeaders(1), Use::kKnown);
  EXPECT_EQ(ids.OnHeaders(7), Use::kKnown);
  ids.OnEnded(7);
  EXPECT_EQ(ids.OnHeaders(7), Use::kClosed);
}

TEST(StreamIdsTest, SkippedIdsAreClosed) {
  StreamIds ids(true);
  EXPECT_EQ(ids.OnHeaders(1), Use::kOpens);
  EXPECT_EQ(ids.OnHeaders(9), Use::kOpens);
  EXPECT_EQ(ids.OnHeaders(3), Use::kSkipped);
  EXPECT_EQ(ids.OnHeaders(7), Use::kSkipped);
  EXPECT_EQ(ids.OnHeaders(1), Use::kKnown);
}

TEST(StreamIdsTest, TheLatestEndedStreamsAreRemembered) {
  StreamIds ids(true);
  for (int32_t id = 1; id <= 33; id += 2) {
    EXPECT_EQ(ids.OnHeaders(id), Use::kOpens);
    ids.OnEnded(id);
  }
  EXPECT_EQ(ids.OnHeaders(33), Use::kClosed);
  EXPECT_EQ(ids.OnHeaders(3), Use::kClosed);
  EXPECT_EQ(ids.OnHeaders(1), Use::kKnown);  // the 17th before
}

TEST(StreamIdsTest, AStreamHasEndedOnlyWhenThePeerDidIt) {
  StreamIds ids(false);
  EXPECT_FALSE(ids.HasEnded(0));
  EXPECT_FALSE(ids.HasEnded(1));
  ids.OnEnded(1);
  EXPECT_TRUE(ids.HasEnded(1));
  EXPECT_FALSE(ids.HasEnded(3));
}

TEST(StreamIdsTest, StreamsThatAreNotOpenYetAreNotClosed) {
  StreamIds ids(true);
  EXPECT_FALSE(ids.MayBeClosed(1));
  ids.OnHeaders(3);
  EXPECT_TRUE(ids.MayBeClosed(1));
  EXPECT_TRUE(ids.MayBeClosed(3));
  EXPECT_FALSE(ids.MayBeClosed(5));
  EXPECT_TRUE(StreamIds(false).MayBeClosed(1));
}

TEST(StreamIdsTest, HeadersNeedAStream) { EXPECT_EQ(StreamIds(true).OnHeaders(0), Use::kSkipped); }

}  // namespace
}  // namespace tulle::http2
