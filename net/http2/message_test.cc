// The two messages of a stream, each without a stream.
#include <gtest/gtest.h>

#include <string>

#include "net/base/arena.h"
#include "net/http/head.h"
#include "net/http2/incoming_message.h"
#include "net/http2/outgoing_message.h"

namespace tulle::http2 {
namespace {

using Next = OutgoingMessage::Next;

constexpr FailureKind kReset = FailureKind::kUpstreamReset;

class OutgoingMessageTest : public ::testing::Test {
 protected:
  Buffer Bytes(std::string_view text) {
    Buffer bytes(slab_);
    bytes.Append(text);
    return bytes;
  }
  bool Add(std::string_view text, bool end = false) {
    Buffer bytes = Bytes(text);
    return message_.Add(bytes, end);
  }
  void ExpectNext(Next next, size_t size, size_t most = 100) {
    const OutgoingMessage::Piece piece = message_.TakeNext(most);
    EXPECT_EQ(piece.next, next);
    EXPECT_EQ(piece.size, size);
  }

  Slab slab_;
  OutgoingMessage message_{slab_};
};

TEST_F(OutgoingMessageTest, FramesAreCutFromTheBody) {
  message_.OnHead(false);
  EXPECT_FALSE(Add("hello"));
  ExpectNext(Next::kBody, 3, 3);
  Buffer out(slab_);
  message_.Write(out, "[3]", 3);
  ExpectNext(Next::kBody, 2);
  message_.Write(out, "[2]", 2);
  EXPECT_EQ(out.ToString(), "[3]hel[2]lo");
  ExpectNext(Next::kWait, 0);
  EXPECT_TRUE(Add("!", true));
  ExpectNext(Next::kEnd, 1);
}

TEST_F(OutgoingMessageTest, LargeBodiesAreMovedNotCopied) {
  message_.OnHead(false);
  Buffer body = Bytes(std::string(10'000, 'x'));
  const char* const first = body.Front().data();
  EXPECT_FALSE(message_.Add(body, true));
  EXPECT_TRUE(body.empty());
  ExpectNext(Next::kEnd, 10'000, 16'384);
  Buffer out(slab_);
  message_.Write(out, "", 10'000);
  EXPECT_EQ(out.Front().data(), first);
  EXPECT_EQ(message_.footprint(), 0);
}

TEST_F(OutgoingMessageTest, TrailersFollowTheBodyOnce) {
  Arena arena(slab_);
  http::HeaderMap trailers(arena);
  trailers.Add("x-sum", "1");
  message_.OnHead(false);
  EXPECT_FALSE(Add("ab"));
  EXPECT_FALSE(message_.AddTrailers(trailers));
  arena.Clear();  // they were copied
  ExpectNext(Next::kBody, 1, 1);
  Buffer out(slab_);
  message_.Write(out, "", 1);
  ExpectNext(Next::kTrailers, 1);
  EXPECT_EQ(message_.trailers().Find("x-sum")->value, "1");
  EXPECT_FALSE(message_.state().sent());
  message_.OnFrameSent(10, false);
  message_.OnFrameSent(20, true);
  EXPECT_TRUE(message_.state().sent());
  EXPECT_EQ(message_.bytes_on_wire(), 30);
}

TEST_F(OutgoingMessageTest, RoomIsReportedOnceAfterTheUserMissedIt) {
  message_.OnHead(false);
  EXPECT_EQ(message_.Room(4), 4);
  EXPECT_FALSE(Add("abcdef"));
  EXPECT_FALSE(message_.TakeRoom(4));
  EXPECT_EQ(message_.Room(4), 0);
  EXPECT_TRUE(message_.room_wanted());
  EXPECT_FALSE(message_.TakeRoom(4));
  Buffer out(slab_);
  message_.Write(out, "", 3);
  EXPECT_TRUE(message_.TakeRoom(4));
  EXPECT_FALSE(message_.TakeRoom(4));
}

class IncomingMessageTest : public ::testing::Test {
 protected:
  void Receive(std::string_view text) {
    if (message_.Copy(text, windows_)) return;
    Buffer from(slab_);
    from.Append(text);
    message_.Move(from, text.size(), windows_);
  }
  std::string Take() {
    Buffer chunk(slab_);
    message_.TakeBody(chunk, windows_);
    return chunk.ToString();
  }
  Verdict Block(HeaderBlock::Kind kind,
                std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                bool end = false) {
    head_ = nullptr;
    message_.BeginBlock(kind, arena_);
    for (const auto& [name, value] : fields) {
      if (const Verdict verdict = message_.AddField(name, value, limits_); verdict != Verdict::kOk)
        return verdict;
    }
    return message_.EndBlock(end, limits_, head_);
  }

  Slab slab_;
  Arena arena_{slab_};
  http::Limits limits_;
  ReceiveWindows windows_{64 * 1024};
  IncomingMessage message_{slab_};
  http::Head* head_ = nullptr;
};

TEST_F(IncomingMessageTest, BodyIsTakenWithinTheCreditAndThenTheEnd) {
  ASSERT_EQ(Block(HeaderBlock::Kind::kRequest, {{":method", "PUT"}, {":path", "/"}}), Verdict::kOk);
  EXPECT_EQ(head_->method, "PUT");
  EXPECT_TRUE(message_.state().head_received());
  Receive("hello");
  Receive(" world");
  message_.OnEnd();
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(message_.Grant(7));
  EXPECT_EQ(Take(), "hello w");
  EXPECT_FALSE(message_.TakeEnd());
  EXPECT_TRUE(message_.Grant(SIZE_MAX));
  EXPECT_TRUE(message_.Grant(SIZE_MAX));
  EXPECT_EQ(Take(), "orld");
  EXPECT_TRUE(message_.TakeEnd());
  EXPECT_FALSE(message_.TakeEnd());
  EXPECT_FALSE(message_.Grant(1));
}

TEST_F(IncomingMessageTest, InterimHeadsPrecedeTheHeadAndAreLimited) {
  const auto interim = [this] { return Block(HeaderBlock::Kind::kResponse, {{":status", "103"}}); };
  for (size_t i = 0; i < limits_.interim_responses; ++i) {
    ASSERT_EQ(interim(), Verdict::kOk);
    EXPECT_EQ(head_->status, 103);
    EXPECT_FALSE(message_.state().head_received());
  }
  EXPECT_EQ(interim(), Verdict::kTooLarge);
  ASSERT_EQ(Block(HeaderBlock::Kind::kResponse, {{":status", "200"}}), Verdict::kOk);
  EXPECT_TRUE(message_.state().head_received());
}

TEST_F(IncomingMessageTest, TheBlockAfterTheHeadHasTrailers) {
  ASSERT_EQ(Block(HeaderBlock::Kind::kResponse, {{":status", "200"}}), Verdict::kOk);
  ASSERT_EQ(Block(HeaderBlock::Kind::kResponse, {{"x-sum", "1"}}, true), Verdict::kOk);
  EXPECT_EQ(head_, nullptr);
  ASSERT_NE(message_.trailers(), nullptr);
  EXPECT_EQ(message_.trailers()->Find("x-sum")->value, "1");
  EXPECT_TRUE(message_.TakeEnd());
}

TEST_F(IncomingMessageTest, AfterADiscardTheRestOfTheBlockIsSkippedButItsEndCounts) {
  message_.BeginBlock(HeaderBlock::Kind::kRequest, arena_);
  message_.Discard(windows_);
  EXPECT_EQ(message_.AddField(":bad", "", limits_), Verdict::kOk);
  EXPECT_EQ(message_.EndBlock(true, limits_, head_), Verdict::kOk);
  EXPECT_EQ(head_, nullptr);
  EXPECT_TRUE(message_.state().ended());
}

TEST_F(IncomingMessageTest, AFailureIsToldOnceAndReplacesWhatWaits) {
  ASSERT_EQ(Block(HeaderBlock::Kind::kResponse, {{":status", "200"}}), Verdict::kOk);
  Receive("hello");
  EXPECT_TRUE(message_.Refuse({FailureKind::kUpstreamProtocol, "first"}));
  EXPECT_FALSE(message_.Refuse({FailureKind::kUpstreamProtocol, "second"}));
  EXPECT_STREQ(message_.why().detail, "first");
  EXPECT_FALSE(message_.TakeFailure());
  message_.Fail({kReset}, windows_);
  EXPECT_EQ(message_.footprint(), 0);
  EXPECT_EQ(message_.why().kind, kReset);
  EXPECT_TRUE(message_.TakeFailure());
  EXPECT_FALSE(message_.TakeFailure());
}

TEST_F(IncomingMessageTest, TheWindowGrowsAsFarAsMeasured) {
  EXPECT_EQ(message_.GrowWindow(windows_), 0);
  while (!windows_.OnReceived(1024)) {
  }
  windows_.OnReceived(windows_.largest());
  windows_.OnProbeAnswered();
  EXPECT_EQ(message_.GrowWindow(windows_), 2 * windows_.initial());
  EXPECT_EQ(message_.window_growth(), windows_.initial());
  EXPECT_EQ(message_.GrowWindow(windows_), 0);
}

TEST_F(IncomingMessageTest, HeldBodyIsCountedUntilItIsTakenOrDropped) {
  while (!windows_.OnReceived(1024)) {
  }
  windows_.OnReceived(windows_.largest());
  ASSERT_EQ(Block(HeaderBlock::Kind::kRequest, {{":method", "PUT"}}), Verdict::kOk);
  Receive(std::string(WindowTuner::kHeldBytes + 1, 'x'));
  windows_.OnProbeAnswered();  // too much is held: the window stays
  EXPECT_EQ(windows_.largest(), windows_.initial());
  message_.Discard(windows_);
  while (!windows_.OnReceived(1024)) {
  }
  windows_.OnReceived(windows_.largest());
  windows_.OnProbeAnswered();
  EXPECT_EQ(windows_.largest(), 2 * windows_.initial());
}

}  // namespace
}  // namespace tulle::http2
