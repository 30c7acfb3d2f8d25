#include "net/socket/plain_transport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "net/loop/uv/uv_loop.h"
#include "net/socket/transports.h"

namespace tulle {
namespace {

// One end of a connection: keeps what it hears and calls back.
class End : public TransportEvents {
 public:
  explicit End(loop::Loop& loop) : loop_(loop), received(loop.slab()), pending(loop.slab()) {}
  ~End() override { Close(false); }

  void Take(std::unique_ptr<Transport> transport) {
    transport_ = std::move(transport);
    transport_->SetEvents(this);
  }
  Transport& transport() { return *transport_; }
  void Send(std::string_view bytes) {
    pending.Append(bytes);
    transport_->Write(pending);
  }
  // Sends FIN once everything is written.
  void Finish() {
    finishing_ = true;
    if (pending.empty()) transport_->ShutdownWrite();
  }
  void Close(bool reset) {
    if (transport_ == nullptr) return;
    transport_->Close(reset);
    loop_.DeferDelete(std::move(transport_));
  }

  void OnTransportReady() override {
    EXPECT_FALSE(ready);
    ready = true;
    if (on_ready) on_ready();
  }
  void OnTransportReadable() override {
    EXPECT_TRUE(ready);
    last = transport_->Read(received, read_limit);
    if (on_read) on_read(last);
  }
  void OnTransportWritable() override {
    ++writables;
    transport_->Write(pending);
    if (finishing_ && pending.empty()) transport_->ShutdownWrite();
    if (on_writable) on_writable();
  }
  void OnTransportFailed(Failure why) override {
    EXPECT_FALSE(failure);
    failure = why;
    if (on_failed) on_failed();
  }

 private:
  loop::Loop& loop_;
  std::unique_ptr<Transport> transport_;
  bool finishing_ = false;

 public:
  Buffer received;
  Buffer pending;
  size_t read_limit = 1 << 20;
  bool ready = false;
  int writables = 0;
  ReadResult last{};
  Failure failure;
  std::function<void()> on_ready, on_writable, on_failed;
  std::function<void(ReadResult)> on_read;
};

// The same contract holds on every loop.
enum class World { kSystem, kSimulated, kSimulatedWithShortReadsAndWrites };

class PlainTransportTest : public testing::TestWithParam<World>, public loop::ListenerEvents {
 protected:
  PlainTransportTest() {
    if (GetParam() == World::kSystem) {
      loop_ = loop::NewUvLoop();
    } else {
      sim::FaultPlan plan;
      if (GetParam() == World::kSimulatedWithShortReadsAndWrites) plan.short_io = 0.3;
      simulation_ = std::make_unique<sim::Simulation>(1, plan);
      loop_ = simulation_->NewLoop(simulation_->AddHost({"10.0.0.1"}));
    }
    int error = 0;
    listener_ = loop_->Listen(SocketAddress::Loopback4(0), {}, *this, &error);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    servers_.push_back(std::make_unique<End>(*loop_));
    servers_.back()->Take(PlainAcceptor().Accept(*loop_, std::move(socket)));
    on_server_(*servers_.back());
  }
  void Connect(End& client) {
    client.Take(PlainConnector().Connect(*loop_, listener_->LocalAddress(), {}));
  }

  std::unique_ptr<sim::Simulation> simulation_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<loop::Listener> listener_;
  std::function<void(End&)> on_server_ = [](End&) {};
  std::vector<std::unique_ptr<End>> servers_;
};

INSTANTIATE_TEST_SUITE_P(Loops, PlainTransportTest,
                         testing::Values(World::kSystem, World::kSimulated,
                                         World::kSimulatedWithShortReadsAndWrites),
                         [](const auto& world) -> std::string {
                           switch (world.param) {
                             case World::kSystem:
                               return "System";
                             case World::kSimulated:
                               return "Simulated";
                             default:
                               return "SimulatedShortIo";
                           }
                         });

// Sends back whatever comes, and the end too.
void Echo(End& end) {
  end.on_ready = [&end] { end.transport().EnableRead(true); };
  end.on_read = [&end](ReadResult result) {
    end.pending.Append(end.received);
    end.transport().Write(end.pending);
    if (result.status == ReadStatus::kEnd) end.Finish();
  };
}

TEST_P(PlainTransportTest, EchoWithHalfClose) {
  on_server_ = Echo;
  End client(*loop_);
  client.on_ready = [&] {
    client.transport().EnableRead(true);
    client.Send("one ");
    client.Send("two");
    client.Finish();
  };
  client.on_read = [&](ReadResult result) {
    if (result.status == ReadStatus::kEnd) loop_->Stop();
  };
  Connect(client);
  EXPECT_FALSE(client.ready);
  loop_->Run();
  EXPECT_EQ(client.received.ToString(), "one two");
  EXPECT_EQ(client.transport().bytes_written(), 7u);
  EXPECT_EQ(client.transport().PeerAddress(), listener_->LocalAddress());
  EXPECT_EQ(servers_[0]->transport().PeerAddress(), client.transport().LocalAddress());
  EXPECT_FALSE(client.failure);
}

TEST_P(PlainTransportTest, RefusedConnectFails) {
  End client(*loop_);
  client.on_failed = [&] { loop_->Stop(); };
  const SocketAddress gone = listener_->LocalAddress();
  listener_.reset();
  client.Take(NewConnectingTransport(*loop_, gone, {}));
  loop_->Run();
  EXPECT_EQ(client.failure.kind, FailureKind::kConnectRefused);
  EXPECT_FALSE(client.ready);
}

TEST_P(PlainTransportTest, ImmediateConnectFailureIsReportedAtTheEndOfTheTurn) {
  End client(*loop_);
  client.on_failed = [&] { loop_->Stop(); };
  loop_->Post([&] {
    // Bound to an address of another family: the system refuses before any packet.
    client.Take(NewConnectingTransport(*loop_, listener_->LocalAddress(),
                                       *SocketAddress::Parse("203.0.113.1", 0)));
    EXPECT_FALSE(client.failure);
  });
  loop_->Run();
  EXPECT_EQ(client.failure.kind, FailureKind::kConnectRefused);
}

TEST_P(PlainTransportTest, ResetIsReportedByItsSide) {
  End client(*loop_);
  int failed = 0;
  auto stop_after_both = [&] {
    if (++failed == 2) loop_->Stop();
  };
  on_server_ = [&](End& server) {
    server.on_ready = [&server] { server.transport().EnableRead(true); };
    server.on_failed = stop_after_both;
  };
  client.on_ready = [&] { client.Close(true); };
  Connect(client);
  End other(*loop_);
  other.on_ready = [&] {
    other.transport().EnableRead(true);
    servers_.back()->Close(true);
  };
  other.on_failed = stop_after_both;
  other.Take(PlainConnector().Connect(*loop_, listener_->LocalAddress(), {}));
  loop_->Run();
  EXPECT_EQ(other.failure.kind, FailureKind::kUpstreamReset);
  EXPECT_EQ(servers_[0]->failure.kind, FailureKind::kDownstreamClosed);
  EXPECT_EQ(other.last.status, ReadStatus::kFailed);
}

TEST_P(PlainTransportTest, TenMegabytesAgainstASlowReader) {
  constexpr size_t kTotal = 10 << 20;
  std::string pattern(64 * 1024, 0);
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<char>(i * 31 >> 3);
  End client(*loop_);
  client.on_ready = [&] {
    for (size_t sent = 0; sent < kTotal; sent += pattern.size()) client.pending.Append(pattern);
    client.transport().Write(client.pending);
    EXPECT_FALSE(client.pending.empty());  // the kernel's buffers are smaller
    client.Finish();
  };
  size_t total = 0;
  bool equal = true;
  std::unique_ptr<loop::Timer> resume;
  on_server_ = [&](End& server) {
    server.read_limit = 100'000;
    resume = loop_->NewTimer([&server] { server.transport().EnableRead(true); });
    server.on_ready = [&] { resume->Start({}); };
    server.on_read = [&](ReadResult result) {
      if (result.status == ReadStatus::kEnd) return loop_->Stop();
      EXPECT_LE(result.bytes, server.read_limit);
      while (!server.received.empty()) {
        const std::string_view front = server.received.Front();
        const size_t at = total % pattern.size();
        const size_t count = std::min(front.size(), pattern.size() - at);
        equal = equal && front.substr(0, count) == std::string_view(pattern).substr(at, count);
        total += count;
        server.received.Drain(count);
      }
      server.transport().EnableRead(false);
      resume->Start({});
    };
  };
  Connect(client);
  loop_->Run();
  EXPECT_EQ(total, kTotal);
  EXPECT_TRUE(equal);
  EXPECT_GT(client.writables, 3);
}

TEST_P(PlainTransportTest, NoReadEventWhileDisabled) {
  End client(*loop_);
  int reads = 0;
  on_server_ = [&](End& server) {
    server.on_ready = [&server] { server.transport().EnableRead(true); };
    server.on_read = [&](ReadResult) {
      ++reads;
      server.transport().EnableRead(false);
      server.Send("x");
    };
  };
  client.on_ready = [&] {
    client.transport().EnableRead(true);
    client.Send("1");
  };
  client.on_read = [&](ReadResult) {
    client.Send("2");  // arrives while reading is off
    loop_->Post([&] { loop_->Post([&] { loop_->Post([&] { loop_->Stop(); }); }); });
  };
  Connect(client);
  loop_->Run();
  EXPECT_EQ(reads, 1);
  client.on_read = [&](ReadResult) { loop_->Stop(); };
  servers_[0]->transport().EnableRead(true);
  loop_->Run();
  EXPECT_EQ(reads, 2);
  EXPECT_EQ(servers_[0]->received.ToString(), "12");
}

// The peer answers before it has read everything, and closes: the reset that its unread bytes cause
// must not eat the answer.
TEST_P(PlainTransportTest, Fault54_AnswerBeforeAResetIsStillRead) {
  End client(*loop_);
  on_server_ = [&](End& server) {
    server.on_ready = [&server] { server.transport().EnableRead(true); };
    server.read_limit = 10;
    server.on_read = [&server](ReadResult) {
      server.Send("413");
      server.Close(false);  // with bytes unread: the kernel sends RST
    };
  };
  std::string body(1 << 20, 'b');
  client.on_ready = [&] {
    client.transport().EnableRead(true);
    for (int i = 0; i < 8; ++i) client.pending.Append(body);
    client.transport().Write(client.pending);
  };
  client.on_failed = [&] { loop_->Stop(); };
  Connect(client);
  loop_->Run();
  EXPECT_EQ(client.received.ToString(), "413");
  EXPECT_EQ(client.failure.kind, FailureKind::kUpstreamReset);
}

TEST_P(PlainTransportTest, WriteToALostPeerFailsAtTheEndOfTheTurn) {
  End client(*loop_);
  on_server_ = [&](End& server) {
    server.on_ready = [&server] { server.transport().EnableRead(true); };
    server.on_read = [&server](ReadResult) { server.Close(true); };
  };
  std::unique_ptr<loop::Timer> again;
  client.on_ready = [&] {
    client.Send("first");
    again = loop_->NewTimer([&] {
      client.Send("x");
      EXPECT_FALSE(client.failure);
      if (client.pending.empty()) again->Start(std::chrono::milliseconds(1));
    });
    again->Start({});
  };
  client.on_failed = [&] { loop_->Stop(); };
  Connect(client);
  loop_->Run();
  EXPECT_EQ(client.failure.kind, FailureKind::kUpstreamReset);
}

TEST_P(PlainTransportTest, IdleConnectionIsQuietUntilThePeerCloses) {
  End client(*loop_);
  client.on_ready = [&] {
    EXPECT_TRUE(client.transport().IsQuiet());
    servers_.back()->Close(false);
    client.transport().EnableRead(true);
  };
  client.on_read = [&](ReadResult result) {
    EXPECT_EQ(result.status, ReadStatus::kEnd);
    EXPECT_FALSE(client.transport().IsQuiet());
    loop_->Stop();
  };
  on_server_ = [&](End&) {};
  Connect(client);
  loop_->Run();
}

TEST_P(PlainTransportTest, NoEventAfterClose) {
  End client(*loop_);
  on_server_ = Echo;
  int events_after_close = 0;
  client.on_ready = [&] {
    client.transport().EnableRead(true);
    client.Send("x");
  };
  bool closed = false;
  client.on_read = [&](ReadResult) {
    if (closed) ++events_after_close;
    closed = true;
    client.Close(false);
  };
  servers_.reserve(1);
  on_server_ = [&](End& server) {
    Echo(server);
    server.on_read = [&](ReadResult result) {
      if (result.status == ReadStatus::kEnd) return loop_->Stop();
      server.pending.Append(server.received);
      server.transport().Write(server.pending);
    };
  };
  Connect(client);
  loop_->Run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(events_after_close, 0);
}

TEST_P(PlainTransportTest, ThousandConnectionsAtOnce) {
  constexpr int kConnections = 1000;
  on_server_ = Echo;
  std::vector<std::unique_ptr<End>> clients;
  int done = 0;
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(std::make_unique<End>(*loop_));
    End& client = *clients.back();
    client.on_ready = [&client, i] {
      client.transport().EnableRead(true);
      client.Send(std::to_string(i));
      client.Finish();
    };
    client.on_read = [&](ReadResult result) {
      if (result.status == ReadStatus::kEnd && ++done == kConnections) loop_->Stop();
    };
    Connect(client);
  }
  loop_->Run();
  for (int i = 0; i < kConnections; ++i) {
    EXPECT_EQ(clients[i]->received.ToString(), std::to_string(i));
  }
}

}  // namespace
}  // namespace tulle
