// Attacks and protocol errors that a server connection must survive. FaultN_ cites the list in
// docs/faults.md. The peer is a string of frames.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http2/connection.h"
#include "net/http2/flood_guard.h"
#include "net/http2/testing/frames.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "net/http2/testing/recorder.h"

namespace tulle::http2 {
namespace {

using namespace testing;  // NOLINT: the whole test speaks of frames

constexpr int64_t kProtocolError = 1;
constexpr int64_t kFlowControlError = 3;
constexpr int64_t kRefused = 7;
constexpr int64_t kCalm = 11;

class FaultsTest : public ::testing::Test {
 protected:
  void Start(Options options = {}) {
    auto end = pipe_.TakeEnd(1);
    end_ = end.get();
    server_ = NewServerConnection(loop_, std::move(end), events_, options);
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, ""));
    server_->Start(early);
    loop_.Turn();
    Send(Frame(kSettings, kAck, 0, ""));
  }

  void Send(std::string_view bytes) {
    pipe_.from(0).bytes.Append(bytes);
    do {
      loop_.Turn();
    } while (!events_.closed && pipe_.Pump());
    loop_.Turn();
  }

  // Everything the server wrote so far.
  std::vector<RawFrame> Written() { return ParseFrames(pipe_.from(1).bytes.ToString()); }
  int64_t StreamError(uint32_t stream) { return ErrorOf(Written(), stream); }
  int64_t ConnectionError() { return ErrorOf(Written(), 0); }
  bool Cut() {
    loop_.Advance(std::chrono::seconds(1));
    loop_.Turn();
    return events_.closed;
  }
  std::string Log(size_t index) { return events_.streams.at(index)->log; }

  // A request whose header block must end its stream, and nothing else.
  void ExpectMalformed(std::string_view block, std::string_view what) {
    SCOPED_TRACE(what);
    const uint32_t id = next_;
    next_ += 2;
    Send(Frame(kHeaders, kEndStream | kEndHeaders, id, block));
    EXPECT_EQ(StreamError(id), kProtocolError);
    EXPECT_EQ(ConnectionError(), -1);
    for (auto& stream : events_.streams) EXPECT_EQ(stream->log.find("H "), std::string::npos);
  }

  ManualLoop loop_;
  Pipe pipe_{loop_};
  RecordedServer events_{loop_.slab()};
  PipeTransport* end_ = nullptr;
  std::unique_ptr<http::ServerConnection> server_;
  uint32_t next_ = 1;
};

TEST_F(FaultsTest, AnOrdinaryRequestPasses) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock({{"x", "y"}})));
  EXPECT_EQ(Log(0), "H GET a/ x=y ! ");
}

TEST_F(FaultsTest, Fault12_CookieCrumbsAreCountedAndJoined) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1,
             GetBlock({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}})));
  EXPECT_EQ(Log(0), "H GET a/ x=y cookie=a=1; b=2 ! ");
  std::string crumbs = GetBlock();
  for (int i = 0; i < 1000; ++i) crumbs += Block({{"cookie", "a=1"}});
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 3, crumbs));
  EXPECT_EQ(StreamError(3), kCalm);
  EXPECT_EQ(Log(1), "R headers_too_large");
  EXPECT_EQ(ConnectionError(), -1);
}

TEST_F(FaultsTest, Fault22_RapidResetIsCutOff) {
  Start();
  std::string flood;
  for (uint32_t id = 1; id < 5000; id += 2) {
    flood += Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock());
    flood += Frame(kRstStream, 0, id, Number32(8));
  }
  Send(flood);
  EXPECT_EQ(ConnectionError(), kCalm);
  EXPECT_LE(events_.streams.size(), 510);
  EXPECT_TRUE(Cut());
  EXPECT_EQ(events_.failure.kind, FailureKind::kDownstreamProtocol);
  EXPECT_STREQ(events_.failure.detail, "http2.stream_reset_flood");
}

// All of it was sent before the peer, which may carry the requests of many users, could see our
// GOAWAY.
TEST_F(FaultsTest, Fault22_ABurstOfResetsEndsNoOtherStream) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  std::string flood;
  for (uint32_t id = 3; id < 1600; id += 2) {
    flood += Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock());
    flood += Frame(kRstStream, 0, id, Number32(8));
  }
  Send(flood);
  EXPECT_EQ(ConnectionError(), 0) << "GOAWAY, without an error";
  EXPECT_EQ(Log(0), "H GET a/ ! ");
  EXPECT_EQ(StreamError(1), -1);
  EXPECT_FALSE(events_.closed);
  // What comes after that without end is an attack all the same.
  flood.clear();
  for (uint32_t id = 1601; id < 4000; id += 2)
    flood += Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock());
  Send(flood);
  EXPECT_LE(events_.streams.size(), 1100);
  EXPECT_TRUE(Cut());
  EXPECT_STREQ(events_.failure.detail, "http2.streams_after_goaway_flood");
}

TEST_F(FaultsTest, Fault26_LargeHeadsOfOneUserEndNoStreamOfAnother) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  std::string large = GetBlock();
  large += "\x40\x01x\x7f\xa1\x1e" + std::string(127 + 0x21 + 0x1e * 128, 'b');
  large += std::string(10'000, '\xbe');
  for (uint32_t id = 3; id < 203; id += 2) {
    Send(Frame(kHeaders, kEndStream | kEndHeaders, id, large));
    large = GetBlock() + std::string(10'000, '\xbe');
  }
  EXPECT_EQ(ConnectionError(), 0);
  EXPECT_EQ(Log(0), "H GET a/ ! ");
  EXPECT_EQ(StreamError(1), -1);
  EXPECT_FALSE(events_.closed);
}

TEST_F(FaultsTest, Fault22_CancellingLongStreamsIsLegitimate) {
  Start();
  for (uint32_t id = 1; id < 3000; id += 2) {
    Send(Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock()));
    loop_.Advance(std::chrono::seconds(2));
    Send(Frame(kRstStream, 0, id, Number32(8)));
  }
  EXPECT_EQ(ConnectionError(), -1);
  EXPECT_EQ(events_.streams.size(), 1500);
}

TEST_F(FaultsTest, Fault22_StreamsAfterTheLastGoawayAreLimited) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  server_->Drain();
  loop_.Advance(std::chrono::seconds(1));
  loop_.Turn();
  std::string flood;
  for (uint32_t id = 3; id < 4000; id += 2)
    flood += Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock());
  Send(flood);
  EXPECT_EQ(events_.streams.size(), 1);
  EXPECT_TRUE(Cut());
  EXPECT_STREQ(events_.failure.detail, "http2.streams_after_goaway_flood");
}

TEST_F(FaultsTest, Fault23_ContinuationFloodIsCutOff) {
  Start();
  std::string flood = Frame(kHeaders, kEndStream, 1, GetBlock());
  for (int i = 0; i < 10'000; ++i) flood += Frame(kContinuation, 0, 1, Block({{"x", "y"}}));
  Send(flood);
  EXPECT_EQ(ConnectionError(), kCalm);
  EXPECT_TRUE(Cut());
  EXPECT_STREQ(events_.failure.detail, "http2.continuation_flood");
}

TEST_F(FaultsTest, Fault23_EmptyContinuationsAreCutOff) {
  Start();
  std::string flood = Frame(kHeaders, kEndStream, 1, GetBlock());
  for (int i = 0; i < 3; ++i) flood += Frame(kContinuation, 0, 1, "");
  Send(flood);
  EXPECT_EQ(ConnectionError(), kCalm);
  EXPECT_TRUE(Cut());
}

TEST_F(FaultsTest, Fault24_FloodsOfControlFramesAreCutOff) {
  struct Case {
    const char* name;
    std::string frame;
  };
  const Case cases[] = {
      {"settings", Frame(kSettings, 0, 0, "")},
      {"ping", Frame(kPing, 0, 0, "12345678")},
      {"priority", Frame(kPriority, 0, 1, Number32(0) + "a")},
      {"window update", Frame(kWindowUpdate, 0, 0, Number32(1))},
  };
  for (const Case& flood : cases) {
    SCOPED_TRACE(flood.name);
    Pipe pipe(loop_);
    RecordedServer events(loop_.slab());
    auto end = pipe.TakeEnd(1);
    end->GiveRoom(0);  // the acknowledgements stay unread
    auto server = NewServerConnection(loop_, std::move(end), events, {});
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, ""));
    server->Start(early);
    loop_.Turn();
    size_t sent = 0;
    for (; sent < 200'000 && !events.closed && server->active_streams() == 0; sent += 100) {
      std::string some;
      for (int i = 0; i < 100; ++i) some += flood.frame;
      pipe.from(0).bytes.Append(some);
      while (!events.closed && pipe.Pump()) loop_.Turn();
      loop_.Advance(std::chrono::milliseconds(300));
    }
    EXPECT_LT(sent, 10'000);
    EXPECT_TRUE(events.closed);
    server.reset();
    loop_.Turn();
  }
}

TEST_F(FaultsTest, Fault24_UnknownFramesAreIgnored) {
  Start();
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += Frame(0xbe, 0xff, i % 3, "junk");
  Send(flood + Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  EXPECT_EQ(Log(0), "H GET a/ ! ");
}

// Also if the peer reads every acknowledgement at once.
TEST_F(FaultsTest, Fault24_FloodsOfFramesWithoutARequestAreCutOff) {
  const std::string floods[] = {
      Frame(0xbe, 0xff, 0, "junk"),   Frame(0xbe, 0, 1, ""),
      Frame(kPing, 0, 0, "12345678"), Frame(kPing, kAck, 0, "12345678"),
      Frame(kSettings, 0, 0, ""),     Frame(kRstStream, 0, 1, Number32(8)),
  };
  for (const std::string& frame : floods) {
    SCOPED_TRACE(static_cast<int>(frame[3]));
    Pipe pipe(loop_);
    RecordedServer events(loop_.slab());
    auto server = NewServerConnection(loop_, pipe.TakeEnd(1), events, {});
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, "") +
                 Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()) +
                 Frame(kRstStream, 0, 1, Number32(8)));
    server->Start(early);
    loop_.Turn();
    size_t sent = 0;
    int64_t error = -1;
    for (; error == -1 && sent < 100'000; sent += 10) {
      for (int i = 0; i < 10; ++i) pipe.from(0).bytes.Append(frame);
      while (pipe.Pump()) loop_.Turn();
      error = ErrorOf(ParseFrames(pipe.from(1).bytes.ToString()), 0);
      pipe.from(1).bytes.Clear();
    }
    EXPECT_EQ(error, kCalm);
    EXPECT_LE(sent, FloodGuard::kIdleFrames + 100);
    loop_.Advance(std::chrono::seconds(1));
    loop_.Turn();
    EXPECT_STREQ(events.failure.detail, "http2.idle_frames_flood");
    server.reset();
    loop_.Turn();
  }
}

// Keep-alive for days, and the PINGs by which a busy client measures the bandwidth.
TEST_F(FaultsTest, Fault24_PingsThatAreSlowOrBelongToRequestsAreAnswered) {
  Start();
  for (int i = 0; i < 10'000; ++i) {
    Send(Frame(kPing, 0, 0, "12345678"));
    loop_.Advance(std::chrono::milliseconds(20));
    pipe_.from(1).bytes.Clear();
  }
  for (uint32_t id = 1; id < 4000; id += 2) {
    std::string frames = Frame(kHeaders, kEndHeaders, id, GetBlock());
    for (int i = 0; i < 4; ++i) frames += Frame(kData, 0, id, "x") + Frame(kPing, 0, 0, "12345678");
    Send(frames + Frame(kData, kEndStream, id, "x"));
    RecordedStream& served = *events_.streams.back();
    http::Head head(served.arena());
    head.status = 204;
    served.stream->SendHeaders(head, true);
    served.Release();
    loop_.Turn();
    EXPECT_EQ(ConnectionError(), -1);
    pipe_.from(1).bytes.Clear();
  }
}

TEST_F(FaultsTest, Fault25_ResetsThatThePeerMakesUsSendCount) {
  Start();
  for (uint32_t id = 1; id < 5000 && ConnectionError() == -1; id += 2) {
    Send(Frame(kHeaders, kEndHeaders, id, GetBlock()) +
         Frame(kWindowUpdate, 0, id, Number32(0x7fffffff)));  // a stream error
  }
  EXPECT_EQ(ConnectionError(), kCalm);
  EXPECT_LE(events_.streams.size(), 510);
  EXPECT_TRUE(Cut());
}

TEST_F(FaultsTest, Fault26_AHeaderBombIsMeasuredAfterDecoding) {
  Start();
  // One entry of about 4000 bytes into the dynamic table, then references to it.
  std::string bomb = GetBlock();
  bomb += "\x40\x01x\x7f\xa1\x1e" + std::string(127 + 0x21 + 0x1e * 128, 'b');
  bomb += std::string(10'000, '\xbe');
  size_t sent = 0;
  for (uint32_t id = 1; ConnectionError() == -1 && sent < 1000; id += 2, ++sent) {
    Send(Frame(kHeaders, kEndStream | kEndHeaders, id, bomb));
    if (sent == 0) {
      EXPECT_EQ(Log(0), "R headers_too_large");
    }
  }
  EXPECT_LE(sent, FloodGuard::kLargeHeads + 1);
  EXPECT_EQ(ConnectionError(), kCalm);
  EXPECT_TRUE(Cut());
  EXPECT_STREQ(events_.failure.detail, "http2.large_headers_flood");
}

TEST_F(FaultsTest, Fault26_LargeHeadersEndTheirStreamOnly) {
  Start();
  const std::string half(8'000, 'v');
  std::string block = GetBlock();
  for (int i = 0; i < 8; ++i) block += Block({{"x", half}});
  Send(Frame(kHeaders, kEndStream, 1, block.substr(0, 16'000)) +
       Frame(kContinuation, 0, 1, block.substr(16'000, 16'000)) +
       Frame(kContinuation, 0, 1, block.substr(32'000, 16'000)) +
       Frame(kContinuation, kEndHeaders, 1, block.substr(48'000)));
  EXPECT_EQ(StreamError(1), kCalm);
  EXPECT_EQ(ConnectionError(), -1);
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock()));
  EXPECT_EQ(Log(1), "H GET a/ ! ");
}

TEST_F(FaultsTest, Fault27_EmptyAndPaddedDataFloods) {
  for (const std::string& frame :
       {Frame(kData, 0, 1, ""),
        Frame(kData, kPadded, 1, std::string(1, 100) + std::string(100, 0))}) {
    Pipe pipe(loop_);
    RecordedServer events(loop_.slab());
    auto server = NewServerConnection(loop_, pipe.TakeEnd(1), events, {});
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, "") +
                 Frame(kHeaders, kEndHeaders, 1, GetBlock()) + frame);
    server->Start(early);
    loop_.Turn();
    EXPECT_EQ(events.streams.at(0)->log, "H GET a/ ");
    pipe.from(0).bytes.Append(frame + frame);
    pipe.Pump();
    loop_.Turn();
    EXPECT_EQ(ErrorOf(ParseFrames(pipe.from(1).bytes.ToString()), 0), kCalm);
    server->Close();
    server.reset();
    loop_.Turn();
  }
}

TEST_F(FaultsTest, Fault27_PaddingCountsForFlowControl) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  std::string some;
  for (int i = 0; i < 100; ++i)
    some += Frame(kData, kPadded, 1, std::string(1, char(100)) + "x" + std::string(100, 0));
  for (int i = 0; i < 200; ++i) Send(some);
  // Far more than a window went by, so padding was given back.
  EXPECT_EQ(ConnectionError(), -1);
  EXPECT_EQ(events_.streams[0]->body.size(), 20'000);
}

TEST_F(FaultsTest, Fault28_InjectionsByDowngradeAreRefused) {
  Start();
  ExpectMalformed(GetBlock({{"x", "a\r\nb: c"}}), "CR LF in a value");
  ExpectMalformed(GetBlock({{"x", "a\nb"}}), "LF in a value");
  ExpectMalformed(GetBlock({{"x", std::string_view("a\0b", 3)}}), "NUL in a value");
  ExpectMalformed(GetBlock({{"x\r\ny", "a"}}), "CR LF in a name");
  ExpectMalformed(GetBlock({{"x:y", "a"}}), "colon in a name");
  ExpectMalformed(GetBlock({{"x y", "a"}}), "space in a name");
  ExpectMalformed(GetBlock({{"X", "a"}}), "upper case in a name");
  ExpectMalformed(GetBlock({{"", "a"}}), "empty name");
  ExpectMalformed(GetBlock({{"connection", "close"}}), "connection");
  ExpectMalformed(GetBlock({{"keep-alive", "1"}}), "keep-alive");
  ExpectMalformed(GetBlock({{"proxy-connection", "close"}}), "proxy-connection");
  ExpectMalformed(GetBlock({{"transfer-encoding", "chunked"}}), "transfer-encoding");
  ExpectMalformed(GetBlock({{"upgrade", "h2c"}}), "upgrade");
  ExpectMalformed(GetBlock({{"te", "gzip"}}), "te");
  ExpectMalformed(GetBlock({{"te", "trailers, chunked"}}), "te list");
  ExpectMalformed(GetBlock({{"host", "b"}}), "host unlike the authority");
  ExpectMalformed(GetBlock({{"host", "a"}, {"host", "a"}}), "two hosts");
  const auto request = [](std::string_view method, std::string_view scheme,
                          std::string_view authority, std::string_view path) {
    return Block(
        {{":method", method}, {":scheme", scheme}, {":authority", authority}, {":path", path}});
  };
  ExpectMalformed(request("GET", "http", "a", ""), "empty path");
  ExpectMalformed(request("GET", "http", "a", "x"), "path without slash");
  ExpectMalformed(request("GET", "http", "a", "/ HTTP/1.1\r\nx: y"), "request line in the path");
  ExpectMalformed(request("GET", "http", "a", "/a b"), "space in the path");
  ExpectMalformed(request("GET /x HTTP/1.1\r\nx: y", "http", "a", "/"), "request in the method");
  ExpectMalformed(request("G ET", "http", "a", "/"), "space in the method");
  ExpectMalformed(request("GET", "http://b/?", "a", "/"), "URL in the scheme");
  ExpectMalformed(request("GET", "http", "a\r\nx: y", "/"), "header in the authority");
  ExpectMalformed(request("GET", "http", "a b", "/"), "space in the authority");
}

TEST_F(FaultsTest, Fault29_MalformedMessagesEndTheirStream) {
  Start();
  ExpectMalformed(GetBlock() + Block({{":path", "/b"}}), "two paths");
  ExpectMalformed(Block({{":method", "GET"}, {":scheme", "http"}, {"x", "y"}, {":path", "/"}}),
                  "pseudo after regular");
  ExpectMalformed(Block({{":method", "GET"}, {":path", "/"}}), "no scheme");
  ExpectMalformed(Block({{":scheme", "http"}, {":path", "/"}}), "no method");
  ExpectMalformed(GetBlock({{":unknown", "x"}}), "unknown pseudo");
  ExpectMalformed(GetBlock({{":status", "200"}}), "status in a request");
  ExpectMalformed(GetBlock({{"content-length", "1"}}), "length without body");
  ExpectMalformed(GetBlock({{"content-length", "x"}}), "length not a number");
  ExpectMalformed(GetBlock({{"content-length", "0"}, {"content-length", "0"}}), "two lengths");
}

TEST_F(FaultsTest, Fault29_ContentLengthAgainstData) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock({{"content-length", "3"}})) +
       Frame(kData, kEndStream, 1, "four"));
  EXPECT_EQ(StreamError(1), kProtocolError);
  EXPECT_EQ(events_.streams[0]->failure.kind, FailureKind::kDownstreamProtocol);
  EXPECT_FALSE(events_.streams[0]->ended);
  Send(Frame(kHeaders, kEndHeaders, 3, GetBlock({{"content-length", "3"}})) +
       Frame(kData, kEndStream, 3, "xy"));
  EXPECT_EQ(StreamError(3), kProtocolError);
  EXPECT_FALSE(events_.streams[1]->ended);
  Send(Frame(kHeaders, kEndHeaders, 5, GetBlock({{"content-length", "3"}})) +
       Frame(kData, kEndStream, 5, "xyz"));
  EXPECT_EQ(Log(2), "H GET a/ content-length=3 D3 ! ");
}

TEST_F(FaultsTest, Fault16_ForbiddenTrailersAreDropped) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()) + Frame(kData, 0, 1, "x") +
       Frame(kHeaders, kEndStream | kEndHeaders, 1,
             Block({{"x-sum", "1"}, {"authorization", "me"}, {"host", "b"}, {"cookie", "c"}})));
  EXPECT_EQ(Log(0), "H GET a/ D1 T x-sum=1 ! ");
  std::string many;
  for (int i = 0; i < 101; ++i) many += Block({{"x", "y"}});
  Send(Frame(kHeaders, kEndHeaders, 3, GetBlock()) + Frame(kHeaders, 5, 3, many));
  EXPECT_EQ(StreamError(3), kCalm);
}

TEST_F(FaultsTest, Fault30_StreamsAboveTheLimitAreRefused) {
  auto end = pipe_.TakeEnd(1);
  server_ = NewServerConnection(loop_, std::move(end), events_, {});
  Buffer early(loop_.slab());
  early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, ""));
  // The burst of a client that has not seen our SETTINGS yet.
  for (uint32_t id = 1; id < 2 * 105; id += 2)
    early.Append(Frame(kHeaders, kEndStream | kEndHeaders, id, GetBlock()));
  server_->Start(early);
  loop_.Turn();
  EXPECT_EQ(events_.streams.size(), 100);
  EXPECT_EQ(StreamError(199), -1);
  EXPECT_EQ(StreamError(201), kRefused);
  EXPECT_EQ(StreamError(209), kRefused);
  EXPECT_EQ(ConnectionError(), -1);
}

TEST_F(FaultsTest, Fault30_WrongStreamIdsEndTheConnection) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 5, GetBlock()));
  EXPECT_EQ(Log(0), "H GET a/ ! ");
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 4, GetBlock()));
  EXPECT_EQ(ConnectionError(), kProtocolError);
  EXPECT_EQ(events_.streams[0]->failure.kind, FailureKind::kDownstreamProtocol);
  EXPECT_TRUE(Cut());
}

TEST_F(FaultsTest, Fault30_FramesOnStreamsThatThePeerResetEndTheConnection) {
  struct Case {
    std::string frames;
    int64_t error;
  };
  constexpr int64_t kStreamClosed = 5;
  const std::string reset =
      Frame(kHeaders, kEndHeaders, 5, GetBlock()) + Frame(kRstStream, 0, 5, Number32(8));
  const Case cases[] = {
      {reset + Frame(kHeaders, kEndStream | kEndHeaders, 5, GetBlock()), kStreamClosed},
      {reset + Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock()), kProtocolError},
      {reset + Frame(kData, 0, 5, "x"), kStreamClosed},
  };
  for (const Case& one : cases) {
    Pipe pipe(loop_);
    RecordedServer events(loop_.slab());
    auto server = NewServerConnection(loop_, pipe.TakeEnd(1), events, {});
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, "") + one.frames);
    server->Start(early);
    loop_.Turn();
    EXPECT_EQ(ErrorOf(ParseFrames(pipe.from(1).bytes.ToString()), 0), one.error);
    server->Close();
    server.reset();
    loop_.Turn();
  }
}

TEST_F(FaultsTest, Fault30_DataAfterAResetOfAnOpenStreamInTheSameRead) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()) + Frame(kHeaders, kEndHeaders, 3, GetBlock()));
  // Of another stream, and of a new one: no error.
  Send(Frame(kRstStream, 0, 3, Number32(8)) + Frame(kData, 0, 1, "x") +
       Frame(kHeaders, kEndHeaders, 5, GetBlock()) + Frame(kData, kEndStream, 5, "yz"));
  EXPECT_EQ(ConnectionError(), -1);
  EXPECT_EQ(Log(0), "H GET a/ D1 ");
  EXPECT_EQ(Log(2), "H GET a/ D2 ! ");
  Send(Frame(kRstStream, 0, 1, Number32(8)) + Frame(kData, 0, 1, "x"));
  EXPECT_EQ(ConnectionError(), 5);  // STREAM_CLOSED
}

// The stream is closed: nghttp2 alone would ignore the frame.
TEST_F(FaultsTest, Fault30_FramesOnClosedStreamsThatThePeerEndedEndTheConnection) {
  constexpr int64_t kStreamClosed = 5;
  const std::string request = Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock());
  const std::string upload = Frame(kHeaders, kEndHeaders, 1, GetBlock());
  const std::string reset = Frame(kRstStream, 0, 1, Number32(8));
  const std::string data = Frame(kData, kEndStream, 1, "x");
  struct Case {
    const char* name;
    std::string before;  // our response, which closes our side
    std::string after;
  };
  const Case cases[] = {
      {"data after the end", request, data},
      {"headers after the end", request, request},
      {"data after a reset that follows our response", upload, reset + data},
      {"headers after a reset that follows our response", upload, reset + request},
      {"data after an end that follows our response", upload, data + data},
      {"data after trailers that follow our response", upload, request + data},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    Pipe pipe(loop_);
    RecordedServer events(loop_.slab());
    auto server = NewServerConnection(loop_, pipe.TakeEnd(1), events, {});
    Buffer early(loop_.slab());
    early.Append(std::string(kPreface) + Frame(kSettings, 0, 0, "") + one.before);
    server->Start(early);
    loop_.Turn();
    RecordedStream& served = *events.streams.at(0);
    http::Head head(served.arena());
    head.status = 200;
    served.stream->SendHeaders(head, true);
    served.Release();
    loop_.Turn();
    EXPECT_EQ(server->active_streams(), 0);
    pipe.from(0).bytes.Append(one.after);
    while (pipe.Pump()) loop_.Turn();
    EXPECT_EQ(ErrorOf(ParseFrames(pipe.from(1).bytes.ToString()), 0), kStreamClosed);
    server->Close();
    server.reset();
    loop_.Turn();
  }
}

TEST_F(FaultsTest, DataThatCrossesOurResetIsIgnored) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  std::exchange(events_.streams.at(0)->stream, nullptr)->Reset({FailureKind::kInternal, ""});
  loop_.Turn();
  const size_t before = Written().size();
  Send(Frame(kData, 0, 1, "on its way already"));
  const std::vector<RawFrame> written = Written();
  EXPECT_EQ(std::count_if(written.begin() + static_cast<std::ptrdiff_t>(before), written.end(),
                          [](const RawFrame& frame) { return frame.type == kRstStream; }),
            0);
  EXPECT_EQ(ConnectionError(), -1);
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock()));
  EXPECT_EQ(Log(1), "H GET a/ ! ");
}

TEST_F(FaultsTest, Fault31_WindowOverflow) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()) +
       Frame(kWindowUpdate, 0, 1, Number32(0x7fffffff)));
  EXPECT_EQ(StreamError(1), kFlowControlError);
  Send(Frame(kWindowUpdate, 0, 0, Number32(0x7fffffff)));
  EXPECT_EQ(ConnectionError(), kFlowControlError);
  EXPECT_TRUE(Cut());
}

TEST_F(FaultsTest, Fault31_MoreDataThanTheWindow) {
  events_.auto_pull = false;
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  for (int i = 0; i < 5; ++i) Send(Frame(kData, 0, 1, std::string(16'000, 'x')));
  EXPECT_EQ(StreamError(1) == kFlowControlError || ConnectionError() == kFlowControlError, true);
}

TEST_F(FaultsTest, InvalidPreface) {
  auto end = pipe_.TakeEnd(1);
  server_ = NewServerConnection(loop_, std::move(end), events_, {});
  Buffer early(loop_.slab());
  early.Append("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  server_->Start(early);
  loop_.Turn();
  EXPECT_EQ(ConnectionError(), kProtocolError);
  EXPECT_TRUE(Cut());
}

TEST_F(FaultsTest, DrainRefusesStreamsAfterTheLastGoaway) {
  Start();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, GetBlock()));
  server_->Drain();
  loop_.Turn();
  // Between the notice and the PING response, requests still come in.
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock()));
  EXPECT_EQ(events_.streams.size(), 2);
  loop_.Advance(std::chrono::seconds(1));  // the peer never answers the PING
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 5, GetBlock()));
  EXPECT_EQ(events_.streams.size(), 2);
  std::vector<std::string> goaways;
  for (const RawFrame& frame : Written()) {
    if (frame.type == kGoaway) goaways.push_back(frame.payload.substr(0, 4));
  }
  EXPECT_EQ(goaways, (std::vector<std::string>{Number32(0x7fffffff), Number32(3)}));
}

// The request ends by trailers while the response still waits for the peer's window.
TEST_F(FaultsTest, ACompleteRequestIsNotResetAfterItsResponse) {
  Start();
  Send(Frame(kHeaders, kEndHeaders, 1, GetBlock()));
  RecordedStream& served = *events_.streams.at(0);
  http::Head head(served.arena());
  head.status = 200;
  served.stream->SendHeaders(head, false);
  Buffer body(loop_.slab());
  body.Append(std::string(70'000, 'x'));
  served.stream->SendData(body, true);
  served.Release();
  Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, Block({{"t", "u"}})));
  EXPECT_EQ(server_->active_streams(), 1);
  Send(Frame(kWindowUpdate, 0, 0, Number32(10'000)) + Frame(kWindowUpdate, 0, 1, Number32(10'000)));
  EXPECT_EQ(server_->active_streams(), 0);
  EXPECT_EQ(StreamError(1), -1);
  EXPECT_EQ(ConnectionError(), -1);
}

// Only the response to its own PING proves that the peer knows of the first GOAWAY.
TEST_F(FaultsTest, DrainIgnoresThePingResponsesOfOthers) {
  Start();
  server_->Drain();
  loop_.Turn();
  const auto goaways = [this] {
    const std::vector<RawFrame> written = Written();
    return std::count_if(written.begin(), written.end(),
                         [](const RawFrame& frame) { return frame.type == kGoaway; });
  };
  Send(Frame(kPing, kAck, 0, "12345678"));
  EXPECT_EQ(goaways(), 1);
  Send(Frame(kPing, kAck, 0, std::string_view("drain\0\0\0", 8)));
  EXPECT_EQ(goaways(), 2);
}

// The same bytes give the same events however they are cut.
TEST_F(FaultsTest, SplitInvariance) {
  const std::string bytes =
      std::string(kPreface) + Frame(kSettings, 0, 0, "") +
      Frame(kHeaders, kEndHeaders, 1, GetBlock({{"cookie", "a"}, {"cookie", "b"}})) +
      Frame(kData, 0, 1, "hello") + Frame(kPing, 0, 0, "12345678") +
      Frame(kHeaders, kEndStream | kEndHeaders, 3, GetBlock({{"x", "y\rz"}})) +
      Frame(kData, kPadded, 1, std::string(1, char(3)) + "world" + std::string(3, 0)) +
      Frame(kHeaders, 0, 5, GetBlock()) +
      Frame(kContinuation, kEndHeaders, 5, Block({{"c", "d"}})) +
      Frame(kRstStream, 0, 5, Number32(8)) +
      Frame(kHeaders, kEndStream | kEndHeaders, 1, Block({{"t", "u"}}));
  const auto run = [&](size_t first, size_t step) {
    ManualLoop loop;
    Pipe pipe(loop);
    RecordedServer events(loop.slab());
    auto server = NewServerConnection(loop, pipe.TakeEnd(1), events, {});
    Buffer early(loop.slab());
    server->Start(early);
    std::string log;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = at == 0 ? first : step;
      pipe.from(0).bytes.Append(std::string_view(bytes).substr(at, size));
      at += size;
      while (pipe.Pump()) loop.Turn();
    }
    for (auto& stream : events.streams) {
      // The wire decides how a body is cut into OnData calls.
      std::string text = stream->log;
      for (size_t at; (at = text.find(" D")) != std::string::npos;)
        text.erase(at, text.find(' ', at + 1) - at);
      log += text + "|" + stream->body.ToString() + "\n";
    }
    for (const RawFrame& frame : ParseFrames(pipe.from(1).bytes.ToString())) {
      if (frame.type == kRstStream || frame.type == kGoaway)
        log += std::to_string(frame.type) + ":" + std::to_string(frame.stream) + " ";
    }
    if (events.closed) log += events.failure.detail;
    server->Close();
    events.streams.clear();
    server.reset();
    loop.Turn();
    return log;
  };
  const std::string whole = run(bytes.size(), 1);
  EXPECT_EQ(whole,
            "H GET a/ cookie=a; b T t=u ! |helloworld\nR downstream_protocol_error|\nH GET a/ c=d "
            "R downstream_closed|\n3:3 ");
  for (size_t split = 1; split < bytes.size(); ++split) EXPECT_EQ(run(split, bytes.size()), whole);
  EXPECT_EQ(run(1, 1), whole);
}

}  // namespace
}  // namespace tulle::http2
