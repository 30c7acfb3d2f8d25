#include "net/loop/uv/uv_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tulle::loop {
namespace {

using std::chrono::milliseconds;

class Accepted : public ListenerEvents {
 public:
  void OnAccept(std::unique_ptr<Socket> socket) override {
    sockets.push_back(std::move(socket));
    if (on_accept) on_accept();
  }
  std::vector<std::unique_ptr<Socket>> sockets;
  std::function<void()> on_accept;
};

class Ready : public SocketEvents {
 public:
  void OnSocketReady(int error, bool readable, bool writable) override {
    ++calls;
    last_error = error;
    if (on_ready) on_ready(readable, writable);
  }
  int calls = 0;
  int last_error = 0;
  std::function<void(bool, bool)> on_ready;
};

class Flush : public TurnEnd {
 public:
  void OnTurnEnd() override { on_end(); }
  std::function<void()> on_end;
};

class DeletionProbe : public Deletable {
 public:
  explicit DeletionProbe(std::function<void()> on_delete) : on_delete_(std::move(on_delete)) {}
  ~DeletionProbe() override { on_delete_(); }

 private:
  std::function<void()> on_delete_;
};

iovec Piece(std::string& text) { return {text.data(), text.size()}; }

class UvLoopTest : public testing::Test {
 protected:
  std::unique_ptr<Listener> Listen(ListenerEvents& events) {
    int error = 0;
    auto listener = loop_->Listen(SocketAddress::Loopback4(0), {}, events, &error);
    EXPECT_NE(listener, nullptr) << strerror(-error);
    return listener;
  }
  std::unique_ptr<Socket> Connect(const SocketAddress& to) {
    int error = 0;
    auto socket = loop_->Connect(to, {}, &error);
    EXPECT_NE(socket, nullptr) << strerror(-error);
    return socket;
  }

  std::unique_ptr<Loop> loop_ = NewUvLoop();
};

TEST_F(UvLoopTest, TimersFireInOrderOfDeadlineThenOfStart) {
  std::string order;
  auto a = loop_->NewTimer([&] { order += 'a'; });
  auto b = loop_->NewTimer([&] { order += 'b'; });
  auto c = loop_->NewTimer([&] { order += 'c'; });
  auto last = loop_->NewTimer([&] { loop_->Stop(); });
  auto stopped = loop_->NewTimer([&] { order += 's'; });
  a->Start(milliseconds(1));
  stopped->Start(milliseconds(2));
  b->Start(milliseconds(4));
  c->Start(milliseconds(4));
  a->Start(milliseconds(4));  // put off: now after c
  last->Start(milliseconds(5));
  stopped->Stop();
  EXPECT_FALSE(stopped->active());
  EXPECT_TRUE(a->active());
  loop_->Run();
  EXPECT_EQ(order, "bca");
  EXPECT_FALSE(a->active());
}

TEST_F(UvLoopTest, TimersNeverFireEarly) {
  std::vector<Duration> early;
  std::vector<std::unique_ptr<Timer>> timers;
  int left = 20;
  for (int i = 0; i < 20; ++i) {
    const Duration after = std::chrono::microseconds(137 * i);
    const Instant due = std::chrono::steady_clock::now() + after;
    timers.push_back(loop_->NewTimer([&, due] {
      if (std::chrono::steady_clock::now() < due - std::chrono::microseconds(500)) {
        early.push_back(due - std::chrono::steady_clock::now());
      }
      if (--left == 0) loop_->Stop();
    }));
    timers.back()->Start(after);
  }
  loop_->Run();
  EXPECT_TRUE(early.empty());
}

TEST_F(UvLoopTest, TimerMayBeStartedAgainInItsCallback) {
  int fired = 0;
  std::unique_ptr<Timer> timer = loop_->NewTimer([&] {
    if (++fired == 3) return loop_->Stop();
    timer->Start(Duration::zero());
  });
  timer->Start(Duration::zero());
  loop_->Run();
  EXPECT_EQ(fired, 3);
}

TEST_F(UvLoopTest, PostsFromManyThreadsComeInTheOrderOfEach) {
  constexpr int kThreads = 4, kEach = 2000;
  std::array<int, kThreads> seen{};
  int total = 0;
  bool ordered = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop_->Post([&, t, i] {
          ordered = ordered && seen[t]++ == i;
          if (++total == kThreads * kEach) loop_->Stop();
        });
      }
    });
  }
  loop_->Run();
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(ordered);
  EXPECT_EQ(total, kThreads * kEach);
}

TEST_F(UvLoopTest, StopComesFromAnotherThread) {
  std::thread other([&] { loop_->Stop(); });
  loop_->Run();
  other.join();
}

TEST_F(UvLoopTest, TurnEndRunsOnceAfterTheBatchAndBeforeDeletions) {
  std::string order;
  Flush flush;
  flush.on_end = [&] { order += 'f'; };
  loop_->Post([&] {
    loop_->AtTurnEnd(flush);
    loop_->DeferDelete(std::make_unique<DeletionProbe>([&] { order += 'd'; }));
    loop_->AtTurnEnd(flush);
    order += '1';
  });
  loop_->Post([&] {
    order += '2';
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(order, "12fd");
}

TEST_F(UvLoopTest, TurnEndMayAskAgainInTheSameTurn) {
  Flush flush;
  int runs = 0;
  flush.on_end = [&] {
    if (++runs < 3) loop_->AtTurnEnd(flush);
  };
  int seen_by_next_turn = 0;
  loop_->Post([&] {
    loop_->AtTurnEnd(flush);
    loop_->Post([&] {
      seen_by_next_turn = runs;
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_EQ(seen_by_next_turn, 3);
}

TEST_F(UvLoopTest, TurnEndRunsAfterTimersBeforeSleeping) {
  Flush flush;
  flush.on_end = [&] { loop_->Stop(); };  // never reached if the loop slept first
  auto timer = loop_->NewTimer([&] { loop_->AtTurnEnd(flush); });
  timer->Start(milliseconds(1));
  loop_->Run();
}

TEST_F(UvLoopTest, TimeStandsStillWithinATurn) {
  bool same = false;
  loop_->Post([&] {
    const Instant start = loop_->Now();
    while (std::chrono::steady_clock::now() <= start + milliseconds(1)) {
    }
    same = loop_->Now() == start;
    loop_->Post([&, start] {
      EXPECT_GT(loop_->Now(), start);
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_TRUE(same);
}

TEST_F(UvLoopTest, SocketCarriesBytesAndEndOfStream) {
  Accepted accepted;
  auto listener = Listen(accepted);
  auto client = Connect(listener->LocalAddress());
  Ready client_ready, server_ready;
  std::string received;
  client_ready.on_ready = [&](bool, bool writable) {
    ASSERT_TRUE(writable);
    EXPECT_EQ(client->TakeError(), 0);
    std::string text = "hello";
    const iovec piece = Piece(text);
    EXPECT_EQ(client->Writev({&piece, 1}), 5);
    client->ShutdownWrite();
    client->Watch(&client_ready, false, false);
  };
  accepted.on_accept = [&] { accepted.sockets[0]->Watch(&server_ready, true, false); };
  server_ready.on_ready = [&](bool readable, bool) {
    ASSERT_TRUE(readable);
    std::string room(100, 0);
    const iovec piece = Piece(room);
    const ssize_t count = accepted.sockets[0]->Readv({&piece, 1});
    if (count == 0) return loop_->Stop();
    ASSERT_GT(count, 0);
    received.append(room, 0, static_cast<size_t>(count));
  };
  client->Watch(&client_ready, false, true);
  loop_->Run();
  EXPECT_EQ(received, "hello");
  EXPECT_EQ(accepted.sockets[0]->PeerAddress(), client->LocalAddress());
  EXPECT_EQ(accepted.sockets[0]->LocalAddress(), listener->LocalAddress());
  EXPECT_FALSE(accepted.sockets[0]->OriginalDestination().is_set());
}

TEST_F(UvLoopTest, RefusedConnectIsAnErrorWithItsCause) {
  Accepted accepted;
  const SocketAddress free_port = Listen(accepted)->LocalAddress();  // closed at once
  auto client = Connect(free_port);
  Ready ready;
  int cause = 0;
  ready.on_ready = [&](bool readable, bool writable) {
    EXPECT_TRUE(readable && writable);
    cause = client->TakeError();
    client.reset();
    loop_->Stop();
  };
  client->Watch(&ready, false, true);
  loop_->Run();
  EXPECT_EQ(cause, -ECONNREFUSED);
  EXPECT_LT(ready.last_error, 0);
  EXPECT_NE(ready.last_error, -EBADF);
}

TEST_F(UvLoopTest, AbortShowsAsReset) {
  Accepted accepted;
  auto listener = Listen(accepted);
  auto client = Connect(listener->LocalAddress());
  Ready ready;
  ssize_t result = 0;
  accepted.on_accept = [&] {
    accepted.sockets[0]->ResetOnClose();
    accepted.sockets.clear();
  };
  ready.on_ready = [&](bool, bool) {
    std::string room(10, 0);
    const iovec piece = Piece(room);
    result = client->Readv({&piece, 1});
    if (result == -EAGAIN) return;
    client->Watch(&ready, false, false);
    loop_->Stop();
  };
  client->Watch(&ready, true, false);
  loop_->Run();
  EXPECT_EQ(result, -ECONNRESET);
}

TEST_F(UvLoopTest, SocketMayBeDestroyedInItsCallbackAndItsNumberUsedAgain) {
  Accepted accepted;
  auto listener = Listen(accepted);
  std::vector<std::unique_ptr<Socket>> clients;
  Ready ready;
  int rounds = 0;
  std::function<void()> next = [&] {
    clients.push_back(Connect(listener->LocalAddress()));
    clients.back()->Watch(&ready, false, true);
  };
  ready.on_ready = [&](bool, bool) {
    const int old = clients.back()->descriptor();
    clients.clear();
    if (++rounds == 100) return loop_->Stop();
    next();
    EXPECT_EQ(clients.back()->descriptor(), old);
  };
  next();
  loop_->Run();
  EXPECT_EQ(rounds, 100);
}

TEST_F(UvLoopTest, ListenerMayBeDestroyedWhileItAccepts) {
  Accepted accepted;
  auto listener = Listen(accepted);
  const SocketAddress at = listener->LocalAddress();
  auto first = Connect(at);
  auto second = Connect(at);
  accepted.on_accept = [&] {
    listener.reset();
    loop_->Stop();
  };
  loop_->Run();
  EXPECT_EQ(accepted.sockets.size(), 1u);
}

TEST_F(UvLoopTest, PausedListenerAcceptsNothingUntilResumed) {
  Accepted accepted;
  auto listener = Listen(accepted);
  listener->Pause();
  auto client = Connect(listener->LocalAddress());
  Ready ready;
  ready.on_ready = [&](bool, bool) {  // the kernel has queued it
    client->Watch(&ready, false, false);
    loop_->Post([&] {
      EXPECT_TRUE(accepted.sockets.empty());
      listener->Resume();
    });
  };
  accepted.on_accept = [&] { loop_->Stop(); };
  client->Watch(&ready, false, true);
  loop_->Run();
  EXPECT_EQ(accepted.sockets.size(), 1u);
}

TEST_F(UvLoopTest, Fault56_AStormIsAcceptedInPartsWithTurnsBetween) {
  constexpr int kStorm = 200;
  constexpr int kMaxInATurn = 64;
  Accepted accepted;
  auto listener = Listen(accepted);
  std::vector<std::unique_ptr<Socket>> clients;
  for (int i = 0; i < kStorm; ++i) clients.push_back(Connect(listener->LocalAddress()));
  int in_turn = 0;
  int most = 0;
  Flush flush;
  flush.on_end = [&] {
    most = std::max(most, std::exchange(in_turn, 0));
    if (accepted.sockets.size() == kStorm) loop_->Stop();
  };
  accepted.on_accept = [&] {
    ++in_turn;
    loop_->AtTurnEnd(flush);
  };
  loop_->Run();
  EXPECT_GT(most, 1);
  EXPECT_LE(most, kMaxInATurn);
}

TEST_F(UvLoopTest, TwoListenersShareAnAddress) {
  Accepted one, other;
  auto first = Listen(one);
  int error = 0;
  auto second = loop_->Listen(first->LocalAddress(), {}, other, &error);
  EXPECT_NE(second, nullptr);
  auto third = loop_->Listen(first->LocalAddress(), {.reuse_port = false}, other, &error);
  EXPECT_EQ(third, nullptr);
  EXPECT_EQ(error, -EADDRINUSE);
}

TEST_F(UvLoopTest, PendingBytesAndEndAreSeenByPeeking) {
  Accepted accepted;
  auto listener = Listen(accepted);
  auto client = Connect(listener->LocalAddress());
  accepted.on_accept = [&] { loop_->Stop(); };
  loop_->Run();
  EXPECT_EQ(client->PeekPending(), 0);
  Ready ready;
  ready.on_ready = [&](bool, bool) { loop_->Stop(); };
  accepted.sockets.clear();  // FIN
  client->Watch(&ready, true, false);
  loop_->Run();
  EXPECT_EQ(client->PeekPending(), 1);
}

TEST_F(UvLoopTest, Fault57_ExhaustedDescriptorsPauseAcceptingAndItRecovers) {
  Accepted accepted;
  auto listener = Listen(accepted);
  auto client = Connect(listener->LocalAddress());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next);  // exactly what is open now
  ::close(next);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const clock_t cpu = clock();
  auto relief = loop_->NewTimer([&] {
    EXPECT_TRUE(accepted.sockets.empty());
    setrlimit(RLIMIT_NOFILE, &before);
  });
  relief->Start(milliseconds(200));
  accepted.on_accept = [&] { loop_->Stop(); };
  loop_->Run();
  EXPECT_EQ(accepted.sockets.size(), 1u);
  EXPECT_LT(clock() - cpu, CLOCKS_PER_SEC / 20);  // it did not spin
}

TEST_F(UvLoopTest, ResolvesLiteralsAndNames) {
  std::vector<SocketAddress> literal, name;
  auto first = loop_->Resolve("127.0.0.9", 80,
                              [&](auto addresses, std::string) { literal = std::move(addresses); });
  EXPECT_TRUE(literal.empty());  // never before Resolve has returned
  auto second = loop_->Resolve("localhost", 81, [&](auto addresses, std::string) {
    name = std::move(addresses);
    loop_->Stop();
  });
  loop_->Run();
  ASSERT_EQ(literal.size(), 1u);
  EXPECT_EQ(literal[0].ToString(), "127.0.0.9:80");
  ASSERT_FALSE(name.empty());
  EXPECT_TRUE(name[0].is_loopback());
  EXPECT_EQ(name[0].port(), 81);
}

TEST_F(UvLoopTest, CancelledResolutionHasNoCallback) {
  bool answered = false;
  auto done = [&](std::vector<SocketAddress>, std::string) { answered = true; };
  loop_->Resolve("localhost", 1, done).reset();
  loop_->Resolve("127.0.0.1", 1, done).reset();
  auto last = loop_->Resolve("localhost", 1, [&](auto, std::string) { loop_->Stop(); });
  loop_->Run();
  EXPECT_FALSE(answered);
}

TEST_F(UvLoopTest, SignalsArriveOnTheLoop) {
  loop_->OnSignal(SIGUSR1, [&] { loop_->Stop(); });
  loop_->Post([] { kill(getpid(), SIGUSR1); });
  loop_->Run();
}

TEST_F(UvLoopTest, UnrunTasksAreDestroyedWithTheLoop) {
  bool gone = false;
  auto held = std::make_unique<DeletionProbe>([&] { gone = true; });
  loop_->Post([held = std::move(held)] {});
  loop_.reset();
  EXPECT_TRUE(gone);
}

// The proof that the peer read nothing of a request relies on it: excludes the SYN, includes
// everything received.
TEST_F(UvLoopTest, ASocketKnowsWhatItsPeerHasAcknowledged) {
  Accepted accepted;
  const auto listener = Listen(accepted);
  const auto socket = Connect(listener->LocalAddress());
  Ready ready;
  std::string text(1000, 'x');
  std::optional<uint64_t> before;
  ready.on_ready = [&](bool, bool) {
    if (before) return;
    before = socket->AcknowledgedBytes();
    const iovec piece = Piece(text);
    EXPECT_EQ(socket->Writev({&piece, 1}), 1000);
    socket->Watch(&ready, false, false);
  };
  socket->Watch(&ready, false, true);
  Ready peer_ready;
  peer_ready.on_ready = [&](bool, bool) { loop_->Stop(); };
  accepted.on_accept = [&] { accepted.sockets[0]->Watch(&peer_ready, true, false); };
  loop_->Run();
  EXPECT_EQ(before, 0u);
  // The response carries the acknowledgement at once.
  std::string answer = "y";
  const iovec piece = Piece(answer);
  EXPECT_EQ(accepted.sockets[0]->Writev({&piece, 1}), 1);
  ready.on_ready = [&](bool, bool) { loop_->Stop(); };
  socket->Watch(&ready, true, false);
  loop_->Run();
  EXPECT_EQ(socket->AcknowledgedBytes(), 1000u);
}

}  // namespace
}  // namespace tulle::loop
