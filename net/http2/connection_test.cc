#include "net/http2/connection.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http2/flood_guard.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "net/http2/testing/recorder.h"

namespace tulle::http2 {
namespace {

using testing::ManualLoop;
using testing::Pipe;
using testing::PipeTransport;
using testing::RecordedClient;
using testing::RecordedServer;
using testing::RecordedStream;

// A client and a server, connected in memory.
class ConnectionTest : public ::testing::Test {
 protected:
  void Connect(Options server_options = {}, Options client_options = {}) {
    auto client_end = pipe_.TakeEnd(0);
    auto server_end = pipe_.TakeEnd(1);
    client_end_ = client_end.get();
    server_end_ = server_end.get();
    server_ = NewServerConnection(loop_, std::move(server_end), server_events_, server_options);
    client_ = NewClientConnection(loop_, std::move(client_end), client_events_, client_options);
    client_->Start();
    Buffer early(loop_.slab());
    server_->Start(early);
    client_end_->events()->OnTransportReady();
    Run();
  }

  // Runs until nothing moves.
  void Run() {
    do {
      loop_.Turn();
    } while (pipe_.Pump());
    loop_.Turn();
  }

  RecordedStream& Request(std::string_view method, std::string_view path, bool end) {
    auto& stream = requests_.emplace_back(std::make_unique<RecordedStream>(loop_.slab()));
    stream->stream = &client_->Open(*stream);
    http::Head head(stream->arena());
    head.method = method;
    head.scheme = "http";
    head.authority = "a";
    head.path = path;
    stream->stream->SendHeaders(head, end);
    return *stream;
  }

  void Respond(RecordedStream& stream, int status, bool end) {
    http::Head head(stream.arena());
    head.status = status;
    stream.stream->SendHeaders(head, end);
  }

  void Send(RecordedStream& stream, std::string_view bytes, bool end) {
    Buffer body(loop_.slab());
    body.Append(bytes);
    stream.stream->SendData(body, end);
  }

  RecordedStream& Served(size_t index) { return *server_events_.streams.at(index); }

  ManualLoop loop_;
  Pipe pipe_{loop_};
  RecordedServer server_events_{loop_.slab()};
  RecordedClient client_events_;
  PipeTransport* client_end_ = nullptr;
  PipeTransport* server_end_ = nullptr;
  std::unique_ptr<http::ServerConnection> server_;
  std::unique_ptr<http::ClientConnection> client_;
  std::vector<std::unique_ptr<RecordedStream>> requests_;
};

TEST_F(ConnectionTest, RequestAndResponseWithoutBodies) {
  Connect();
  EXPECT_TRUE(client_events_.ready);
  RecordedStream& request = Request("GET", "/x?y", true);
  EXPECT_EQ(client_->active_streams(), 1);
  Run();
  EXPECT_EQ(Served(0).log, "H GET a/x?y ! ");
  Respond(Served(0), 204, true);
  Run();
  EXPECT_EQ(request.log, "H 204 ! ");
  EXPECT_EQ(client_->active_streams(), 0);
  EXPECT_EQ(server_->active_streams(), 0);
  EXPECT_GT(request.stream->bytes_on_wire(), 0);
}

// A sidecar sends the requests of many users on one connection. One of them cancels all of his.
TEST_F(ConnectionTest, CancellationsDrainTheConnectionAndEndNoOtherStream) {
  Connect();
  RecordedStream& other = Request("GET", "/slow", true);
  Run();
  size_t cancelled = 0;
  for (; client_->StreamRoom() > 0 && cancelled < 5000; ++cancelled) {
    RecordedStream& request = Request("GET", "/", true);
    loop_.Turn();
    pipe_.Pump();
    std::exchange(request.stream, nullptr)->Reset({FailureKind::kDownstreamClosed, ""});
    Run();
    ASSERT_FALSE(client_events_.closed);
  }
  EXPECT_LE(cancelled, FloodGuard::kLeaveStreams) << "the client leaves before the server asks";
  EXPECT_EQ(other.log, "");
  Respond(Served(0), 200, true);
  Run();
  EXPECT_EQ(other.log, "H 200 ! ");
  EXPECT_TRUE(client_events_.closed);
  EXPECT_FALSE(client_events_.failure);
  EXPECT_TRUE(server_events_.closed);
  EXPECT_FALSE(server_events_.failure);
}

// Both sessions, like all of a thread, write their frames into one buffer of nghttp2's.
TEST_F(ConnectionTest, LargeHeadsInSmallPiecesBothWays) {
  Connect();
  client_end_->GiveRoom(0);
  server_end_->GiveRoom(0);
  const std::string value(9'000, 'v');
  RecordedStream& first = Request("GET", "/1", true);
  {
    auto& stream = requests_.emplace_back(std::make_unique<RecordedStream>(loop_.slab()));
    stream->stream = &client_->Open(*stream);
    http::Head head(stream->arena());
    head.method = "GET";
    head.scheme = "http";
    head.authority = "a";
    head.path = "/2";
    for (int i = 0; i < 5; ++i) head.headers.Add("x", value);
    stream->stream->SendHeaders(head, true);
  }
  for (int i = 0; i < 100; ++i) {
    client_end_->GiveRoom(1'000);
    Run();
    if (i == 20) {
      http::Head head(Served(0).arena());
      head.status = 200;
      for (int j = 0; j < 5; ++j) head.headers.Add("y", value);
      Served(0).stream->SendHeaders(head, true);
    }
    if (i >= 20) server_end_->GiveRoom(1'000);
    Run();
  }
  std::string fields;
  for (int i = 0; i < 5; ++i) fields += "=" + value;
  const auto values = [](std::string log) {
    std::string found;
    for (size_t at = log.find('='); at != std::string::npos; at = log.find('=', at + 1))
      found += log.substr(at, log.find(' ', at) - at);
    return found;
  };
  ASSERT_EQ(server_events_.streams.size(), 2);
  EXPECT_EQ(values(Served(1).log), fields);
  EXPECT_EQ(values(first.log), fields);
}

TEST_F(ConnectionTest, LargeBodiesBothWays) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  std::string body(3'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>('a' + i % 26);
  Send(request, body, true);
  Run();
  EXPECT_EQ(Served(0).body.ToString(), body);
  EXPECT_TRUE(Served(0).ended);
  Respond(Served(0), 200, false);
  Send(Served(0), body, true);
  Run();
  EXPECT_EQ(request.body.ToString(), body);
  EXPECT_TRUE(request.ended);
}

TEST_F(ConnectionTest, Fault21_DeliveryNeedsCreditAndTheWindowBoundsBuffering) {
  server_events_.auto_pull = false;
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  EXPECT_EQ(request.stream->SendRoom(), 256 * 1024);
  Send(request, std::string(256 * 1024, 'x'), false);
  EXPECT_EQ(request.stream->SendRoom(), 0);
  Run();
  EXPECT_EQ(Served(0).log, "H POST a/ ");
  // The first window (64 KiB) was sent; there is space for as much again.
  EXPECT_EQ(request.stream->SendRoom(), 64 * 1024);
  EXPECT_EQ(request.log, "room ");
  Served(0).stream->Pull(1000);
  Run();
  EXPECT_EQ(Served(0).body.size(), 1000);
  Served(0).stream->Pull(300 * 1024);
  Run();
  EXPECT_EQ(Served(0).body.size(), 256 * 1024);
  EXPECT_FALSE(Served(0).ended);
}

TEST_F(ConnectionTest, ASlowStreamDoesNotStopItsNeighbours) {
  server_events_.auto_pull = false;
  Connect();
  std::vector<RecordedStream*> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(&Request("POST", "/slow", false));
  for (RecordedStream* stream : slow) Send(*stream, std::string(100'000, 's'), false);
  Run();
  server_events_.auto_pull = true;
  RecordedStream& fast = Request("POST", "/fast", false);
  Send(fast, std::string(2'000'000, 'f'), true);
  Run();
  EXPECT_EQ(Served(20).body.size(), 2'000'000);
}

TEST_F(ConnectionTest, WindowsGrowWithTheMeasuredBandwidth) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  Send(request, std::string(8'000'000, 'x'), false);
  Run();
  EXPECT_EQ(Served(0).body.size(), 8'000'000);
  // Stop reading: what arrives now is one grown window, not the first one.
  RecordedStream& stalled = Request("POST", "/", false);
  server_events_.auto_pull = false;
  Run();
  Served(1).auto_pull = false;
  Served(1).stream->Pull(200'000);
  Send(stalled, std::string(4'000'000, 'x'), false);
  Run();
  EXPECT_LT(stalled.stream->SendRoom(), 1);
  Served(1).stream->Pull(4'000'000);
  Run();
  EXPECT_EQ(Served(1).body.size(), 4'000'000);
}

TEST_F(ConnectionTest, TrailersInterimAndTrailersOnly) {
  Connect();
  RecordedStream& first = Request("POST", "/", false);
  Send(first, "hello", false);
  http::HeaderMap trailers(first.arena());
  trailers.Add("x-sum", "5");
  first.stream->SendTrailers(trailers);
  Run();
  EXPECT_EQ(Served(0).log, "H POST a/ D5 T x-sum=5 ! ");
  http::Head interim(Served(0).arena());
  interim.status = 103;
  interim.headers.Add("Link", "</a>");
  Served(0).stream->SendInterim(interim);
  Respond(Served(0), 200, false);
  Send(Served(0), "body", false);
  http::HeaderMap status(Served(0).arena());
  status.Add(http::HeaderId::kGrpcStatus, "grpc-status", "0");
  Served(0).stream->SendTrailers(status);
  Run();
  EXPECT_EQ(first.log, "h 103 link=</a> H 200 D4 T grpc-status=0 ! ");

  RecordedStream& second = Request("GET", "/", true);
  Run();
  http::Head only(Served(1).arena());
  only.status = 200;
  only.headers.Add(http::HeaderId::kGrpcStatus, "grpc-status", "12");
  Served(1).stream->SendHeaders(only, true);
  Run();
  EXPECT_EQ(second.log, "H 200 grpc-status=12 ! ");
}

TEST_F(ConnectionTest, TrailersWithoutABody) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  Run();
  Respond(Served(0), 200, false);
  Run();
  http::HeaderMap status(Served(0).arena());
  status.Add("grpc-status", "0");
  Served(0).stream->SendTrailers(status);
  Run();
  EXPECT_EQ(request.log, "H 200 T grpc-status=0 ! ");
}

TEST_F(ConnectionTest, Fault77_CancelReachesTheServer) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  Run();
  std::exchange(request.stream, nullptr)->Reset({FailureKind::kDownstreamClosed});
  Run();
  EXPECT_EQ(Served(0).failure.kind, FailureKind::kDownstreamClosed);
  EXPECT_EQ(client_->active_streams(), 0);
  EXPECT_EQ(server_->active_streams(), 0);
}

TEST_F(ConnectionTest, ResetBeforeAnythingWasSentSendsNothing) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  std::exchange(request.stream, nullptr)->Reset({});
  Run();
  EXPECT_EQ(server_events_.streams.size(), 0);
  EXPECT_EQ(client_->active_streams(), 0);
  EXPECT_EQ(client_->StreamRoom(), 100);
}

TEST_F(ConnectionTest, ServerResetsMapToFailures) {
  Connect();
  RecordedStream& refused = Request("GET", "/", true);
  RecordedStream& reset = Request("GET", "/", true);
  RecordedStream& late = Request("GET", "/", true);
  Run();
  std::exchange(Served(0).stream, nullptr)->Reset({FailureKind::kDraining});
  std::exchange(Served(1).stream, nullptr)->Reset({FailureKind::kInternal});
  Respond(Served(2), 200, false);
  Run();
  std::exchange(Served(2).stream, nullptr)->Reset({FailureKind::kInternal});
  Run();
  EXPECT_EQ(refused.failure.kind, FailureKind::kUpstreamRefusedStream);
  EXPECT_EQ(reset.failure.kind, FailureKind::kUpstreamReset);
  EXPECT_EQ(late.failure.kind, FailureKind::kUpstreamTruncated);
}

TEST_F(ConnectionTest, AnEarlyResponseStopsTheUploadAndIsComplete) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  Send(request, std::string(10'000, 'x'), false);
  Run();
  Respond(Served(0), 413, true);
  Served(0).Release();
  Run();
  EXPECT_EQ(request.log, "H 413 ! ");
  EXPECT_FALSE(request.failure);
  EXPECT_EQ(client_->active_streams(), 0);
  EXPECT_EQ(server_->active_streams(), 0);
  Send(request, "more", true);
  Run();
}

TEST_F(ConnectionTest, DetachStillSendsACompleteMessage) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  request.auto_pull = false;
  Run();
  Respond(Served(0), 200, false);
  Send(Served(0), std::string(200'000, 'x'), true);
  Served(0).Release();
  Run();
  request.stream->Pull(SIZE_MAX);
  Run();
  EXPECT_EQ(request.body.size(), 200'000);
  EXPECT_TRUE(request.ended);
}

TEST_F(ConnectionTest, DrainOfTheServerServesOpenStreamsAndCloses) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  Run();
  server_->Drain();
  Run();
  EXPECT_EQ(client_->StreamRoom(), 0);
  EXPECT_FALSE(client_events_.closed);
  Respond(Served(0), 200, true);
  Run();
  EXPECT_EQ(request.log, "H 200 ! ");
  EXPECT_TRUE(client_events_.closed);
  EXPECT_FALSE(client_events_.failure);
  EXPECT_TRUE(server_events_.closed);
  EXPECT_FALSE(server_events_.failure);
}

TEST_F(ConnectionTest, DrainOfTheClientClosesAfterTheLastStream) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  client_->Drain();
  EXPECT_EQ(client_->StreamRoom(), 0);
  Run();
  EXPECT_FALSE(client_events_.closed);
  Respond(Served(0), 200, true);
  Run();
  EXPECT_EQ(request.log, "H 200 ! ");
  EXPECT_TRUE(client_events_.closed);
  EXPECT_TRUE(server_events_.closed);
}

TEST_F(ConnectionTest, LossOfTheConnectionEndsItsStreams) {
  Connect();
  RecordedStream& waiting = Request("GET", "/", true);
  RecordedStream& reading = Request("GET", "/", true);
  Run();
  Respond(Served(1), 200, false);
  Run();
  RecordedStream& unsent = Request("GET", "/", true);
  server_->Close();
  pipe_.from(1).reset = false;
  pipe_.from(1).ended = true;
  pipe_.Pump();
  loop_.Turn();
  EXPECT_EQ(waiting.failure.kind, FailureKind::kUpstreamClosed);
  EXPECT_EQ(reading.failure.kind, FailureKind::kUpstreamTruncated);
  EXPECT_EQ(unsent.failure.kind, FailureKind::kUpstreamClosedUnused);
  EXPECT_TRUE(client_events_.closed);
  EXPECT_EQ(client_events_.failure.kind, FailureKind::kUpstreamClosed);
}

TEST_F(ConnectionTest, ACompleteResponseSurvivesTheLossOfItsConnection) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  request.auto_pull = false;
  Run();
  Respond(Served(0), 200, false);
  Send(Served(0), "body", true);
  Run();
  server_->Close();
  Run();
  EXPECT_FALSE(client_events_.closed);
  request.stream->Pull(10);
  Run();
  EXPECT_EQ(request.log, "H 200 D4 ! ");
  EXPECT_TRUE(client_events_.closed);
}

TEST_F(ConnectionTest, AFailedConnectIsReported) {
  auto end = pipe_.TakeEnd(0);
  client_end_ = end.get();
  client_ = NewClientConnection(loop_, std::move(end), client_events_, {});
  client_->Start();
  EXPECT_EQ(client_->StreamRoom(), 0);
  client_end_->events()->OnTransportFailed({FailureKind::kConnectRefused});
  loop_.Turn();
  EXPECT_TRUE(client_events_.closed);
  EXPECT_EQ(client_events_.failure.kind, FailureKind::kConnectRefused);
}

TEST_F(ConnectionTest, Fault30_StreamRoomFollowsThePeersLimit) {
  Options few;
  few.limits.concurrent_streams = 3;
  Connect(few);
  EXPECT_EQ(client_->StreamRoom(), 3);
  for (int i = 0; i < 3; ++i) Request("GET", "/", true);
  EXPECT_EQ(client_->StreamRoom(), 0);
  Run();
  const int rooms = client_events_.rooms;
  Respond(Served(1), 200, true);
  Run();
  EXPECT_EQ(client_->StreamRoom(), 1);
  EXPECT_GT(client_events_.rooms, rooms);
}

TEST_F(ConnectionTest, ABlockedWireHoldsEverythingAndNothingIsLost) {
  Connect();
  RecordedStream& request = Request("GET", "/", true);
  Run();
  pipe_.from(1).room = 100;
  Respond(Served(0), 200, false);
  Send(Served(0), std::string(500'000, 'x'), true);
  Run();
  EXPECT_LT(request.body.size(), 100);
  for (int i = 0; i < 10'000 && !request.ended; ++i) {
    server_end_->GiveRoom(777);
    Run();
  }
  EXPECT_EQ(request.body.size(), 500'000);
  EXPECT_TRUE(request.ended);
}

TEST_F(ConnectionTest, KeepaliveDetectsASilentPeer) {
  Options alive;
  alive.keepalive_interval = std::chrono::seconds(10);
  alive.keepalive_timeout = std::chrono::seconds(5);
  Connect({}, alive);
  for (int i = 0; i < 50; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  EXPECT_FALSE(client_events_.closed);
  server_end_->EnableRead(false);
  loop_.Advance(std::chrono::seconds(10));
  Run();
  loop_.Advance(std::chrono::seconds(15));
  Run();
  EXPECT_TRUE(client_events_.closed);
}

// Not on a stream that waits for its server: many servers count PINGs.
TEST_F(ConnectionTest, KeepaliveMayWaitForSomethingUnanswered) {
  Options alive;
  alive.keepalive_interval = std::chrono::seconds(10);
  alive.keepalive_timeout = std::chrono::seconds(5);
  alive.keepalive_if_unanswered = true;
  Connect({}, alive);
  RecordedStream& request = Request("POST", "/", false);
  Run();
  Respond(Served(0), 200, false);
  Run();
  server_end_->EnableRead(false);
  for (int i = 0; i < 100; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  EXPECT_FALSE(client_events_.closed);
  Send(request, "are you there", false);
  for (int i = 0; i < 26; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  EXPECT_TRUE(client_events_.closed);
}

TEST_F(ConnectionTest, NoAllocationPerRequestInSteadyState) {
  Connect();
  size_t reserved = 0;
  for (int i = 0; i < 200; ++i) {
    RecordedStream& request = Request("POST", "/", false);
    Send(request, "ping", true);
    Run();
    Respond(Served(0), 200, false);
    Send(Served(0), "pong", true);
    Run();
    ASSERT_EQ(request.log, "H 200 D4 ! ");
    requests_.clear();
    server_events_.streams.clear();
    Run();
    if (i == 50) reserved = loop_.slab().bytes_reserved();
    if (i > 50) {
      ASSERT_EQ(loop_.slab().bytes_reserved(), reserved);
    }
  }
}

TEST_F(ConnectionTest, AUserMayDetachAfterTheConnectionIsGone) {
  Connect();
  RecordedStream& request = Request("POST", "/", false);
  Run();
  client_.reset();
  loop_.Turn();
  EXPECT_EQ(request.stream->SendRoom(), 0);
  request.Release();
}

}  // namespace
}  // namespace tulle::http2
