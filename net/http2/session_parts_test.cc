// The parts of a session that need nghttp2 or a transport: streams, closing, frame reader and frame
// writer, without the session.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/http2/closing.h"
#include "net/http2/frame_reader.h"
#include "net/http2/frame_writer.h"
#include "net/http2/nghttp2_setup.h"
#include "net/http2/streams.h"
#include "net/http2/testing/frames.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "net/http2/testing/recorder.h"

namespace tulle::http2 {
namespace {

using namespace testing;  // NOLINT: the whole test speaks of frames

class CountedTurns final : public loop::TurnEnd {
 public:
  void OnTurnEnd() override { ++count; }
  int count = 0;
};

// Accepts every stream.
class Accepting final : public SessionEvents {
 public:
  explicit Accepting(Slab& slab) : slab_(slab) {}
  void OnSessionReady() override {}
  http::StreamEvents* OnSessionStream(http::Stream& stream) override {
    users.push_back(std::make_unique<RecordedStream>(slab_));
    users.back()->stream = &stream;
    return users.back().get();
  }
  void OnSessionRoom() override {}
  void OnSessionClosed(Failure) override {}

  std::vector<std::unique_ptr<RecordedStream>> users;

 private:
  Slab& slab_;
};

class PartsTest : public ::testing::Test {
 protected:
  ~PartsTest() override { nghttp2_session_del(link_.nghttp2); }

  void Open() {
    nghttp2_mem memory = link_.memory.hooks();
    ASSERT_EQ(nghttp2_session_server_new3(&link_.nghttp2, Callbacks(), &targets_, SessionOptions(),
                                          &memory),
              0);
    nghttp2_submit_settings(link_.nghttp2, NGHTTP2_FLAG_NONE, nullptr, 0);
    closing_.Open();
    Feed(std::string(kPreface) + Frame(kSettings, 0, 0, ""));
  }
  void Feed(std::string_view bytes) {
    reader_.in().Append(bytes);
    reader_.Feed();
  }
  void Deliver() {
    streams_.Deliver([] { return false; });
  }
  std::vector<RawFrame> Written() {
    writer_.Flush(*transport_);
    return ParseFrames(pipe_.from(1).bytes.ToString());
  }

  ManualLoop loop_;
  Pipe pipe_{loop_};
  std::unique_ptr<PipeTransport> transport_ = pipe_.TakeEnd(1);
  CountedTurns turns_;
  Accepting events_{loop_.slab()};
  Link link_{.role = Role::kServer, .loop = loop_, .session = turns_, .options = {}};
  FloodGuard guard_;
  Streams streams_{link_};
  Closing closing_{link_, streams_, *transport_};
  FrameReader reader_{link_, streams_, closing_, guard_, events_};
  FrameWriter writer_{link_, streams_, closing_, guard_};
  CallbackTargets targets_{reader_, writer_};
};

TEST_F(PartsTest, TheReaderFillsStreamsAndDeliversOnlyHeads) {
  Open();
  Feed(Frame(kHeaders, kEndHeaders, 1, GetBlock()) + Frame(kData, kEndStream, 1, "body"));
  ASSERT_EQ(events_.users.size(), 1);
  EXPECT_EQ(events_.users[0]->log, "H GET a/ ");
  Deliver();
  EXPECT_EQ(events_.users[0]->log, "H GET a/ D4 ! ");
  EXPECT_EQ(streams_.active(), 1);
}

TEST_F(PartsTest, TheReaderStopsAtAnError) {
  Open();
  Feed(Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock()) +
       Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()) +
       Frame(kHeaders, kEndStream | kEndHeaders, 5, GetBlock()));
  EXPECT_EQ(closing_.state(), Closing::State::kEnding);
  EXPECT_EQ(events_.users.size(), 1);
  EXPECT_STREQ(closing_.why().detail, "http2.stream_id_too_low");
}

TEST_F(PartsTest, FindForgetsAStreamWhenItIsGone) {
  Open();
  Feed(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  Stream* const stream = streams_.Find(1);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->id(), 1);
  EXPECT_EQ(streams_.Find(3), nullptr);
  EXPECT_EQ(streams_.Find(1), stream);
  EXPECT_EQ(streams_.Find(0), nullptr);
  Feed(Frame(kRstStream, 0, 1, Number32(8)));
  EXPECT_EQ(streams_.Find(1), nullptr);
  EXPECT_EQ(streams_.active(), 0);
  EXPECT_TRUE(streams_.TakeRoomChanged());
  EXPECT_FALSE(streams_.TakeRoomChanged());
  Deliver();
  EXPECT_EQ(events_.users[0]->failure.kind, FailureKind::kDownstreamClosed);
}

TEST_F(PartsTest, AStreamBecomesAnOrphanThatItsUserMayStillDetachFrom) {
  RecordedStream user(loop_.slab());
  {
    Streams streams(link_);
    Stream& stream = streams.Create(0, &user);
    user.stream = &stream;
    EXPECT_EQ(streams.active(), 1);
  }
  user.stream->Pull(1);
  EXPECT_EQ(user.stream->SendRoom(), 0);
  user.Release();
}

TEST_F(PartsTest, TheWriterCollectsBodiesAndReportsFrames) {
  Open();
  Feed(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  RecordedStream& user = *events_.users.at(0);
  http::Head head(user.arena());
  head.status = 200;
  user.stream->SendHeaders(head, false);
  Buffer body(loop_.slab());
  body.Append("hello");
  user.stream->SendData(body, true);
  const std::vector<RawFrame> frames = Written();
  ASSERT_GE(frames.size(), 2);
  EXPECT_EQ(frames.back().type, kData);
  EXPECT_EQ(frames.back().payload, "hello");
  EXPECT_EQ(frames.back().flags, kEndStream);
  EXPECT_FALSE(writer_.unsent());
  EXPECT_EQ(streams_.active(), 0);
  EXPECT_GT(user.stream->bytes_on_wire(), 14);
}

TEST_F(PartsTest, TheWriterStopsCollectingWhenTheTransportIsFull) {
  Open();
  transport_->GiveRoom(0);
  Written();
  EXPECT_TRUE(writer_.unsent());
  writer_.Drop();
  EXPECT_FALSE(writer_.unsent());
}

TEST_F(PartsTest, AnAbortSendsGoawayAndWaitsForThePeersEnd) {
  Open();
  Feed(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  closing_.Abort(NGHTTP2_ENHANCE_YOUR_CALM, FailureKind::kDownstreamProtocol, "test");
  closing_.Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol, "later");
  EXPECT_EQ(streams_.active(), 0);
  EXPECT_EQ(ErrorOf(Written(), 0), NGHTTP2_ENHANCE_YOUR_CALM);
  closing_.Advance(writer_.unsent());
  EXPECT_TRUE(pipe_.from(1).ended);
  EXPECT_FALSE(closing_.closed());
  EXPECT_FALSE(closing_.TakeReport());
  pipe_.from(0).ended = true;
  closing_.Discard();
  EXPECT_TRUE(closing_.closed());
  Deliver();
  EXPECT_TRUE(closing_.TakeReport());
  EXPECT_FALSE(closing_.TakeReport());
  EXPECT_STREQ(closing_.why().detail, "test");
}

TEST_F(PartsTest, APeerThatDoesNotEndIsCutOffAfterASecond) {
  Open();
  closing_.Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol, "test");
  Written();
  closing_.Advance(false);
  EXPECT_FALSE(closing_.closed());
  loop_.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(closing_.closed());
}

TEST_F(PartsTest, ADrainEndsAfterTheLastStreamAndTheLastGoaway) {
  Open();
  Feed(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  closing_.Drain();
  closing_.EndDrain();
  Written();
  closing_.Advance(false);
  EXPECT_TRUE(closing_.open());
  http::Head head(events_.users[0]->arena());
  head.status = 204;
  events_.users[0]->stream->SendHeaders(head, true);
  Written();
  EXPECT_EQ(closing_.state(), Closing::State::kEnding);
  closing_.Advance(true);
  EXPECT_FALSE(pipe_.from(1).ended);
  closing_.Advance(false);
  EXPECT_TRUE(pipe_.from(1).ended);
  EXPECT_FALSE(closing_.why());
}

TEST_F(PartsTest, ALossWithoutStreamsIsAnOrderlyEnd) {
  Open();
  closing_.OnLost({});
  EXPECT_TRUE(closing_.closed());
  EXPECT_TRUE(closing_.TakeReport());
  EXPECT_FALSE(closing_.why());
}

TEST_F(PartsTest, ALossFailsTheStreams) {
  Open();
  Feed(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  closing_.OnLost({});
  EXPECT_EQ(closing_.why().kind, FailureKind::kDownstreamClosed);
  Deliver();
  EXPECT_EQ(events_.users[0]->failure.kind, FailureKind::kDownstreamClosed);
}

}  // namespace
}  // namespace tulle::http2
