// The cost of one small request on a TLS connection in steady state: system calls and mallocs,
// counted.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "net/loop/uv/uv_loop.h"
#include "net/tls/testing/secure_pair.h"
#include "net/tls/tls_transports.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(_GLIBCXX_TSAN)
#define TULLE_COUNTS_MALLOC 1
extern "C" void* __libc_malloc(size_t size);

namespace {
// Single-threaded test: counts while armed.
bool counting = false;
int mallocs = 0;
}  // namespace

extern "C" void* malloc(size_t size) {
  if (counting) ++mallocs;
  return __libc_malloc(size);
}
#else
#define TULLE_COUNTS_MALLOC 0
namespace {
bool counting = false;
int mallocs = 0;
}  // namespace
#endif

namespace tulle::tls {
namespace {

struct Calls {
  int reads = 0;
  int writes = 0;
};

class CountingSocket final : public loop::Socket {
 public:
  CountingSocket(std::unique_ptr<loop::Socket> inner, Calls& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  void Watch(loop::SocketEvents* events, bool readable, bool writable) override {
    inner_->Watch(events, readable, writable);
  }
  ssize_t Readv(std::span<const iovec> into) override {
    ++calls_.reads;
    return inner_->Readv(into);
  }
  ssize_t Writev(std::span<const iovec> from) override {
    ++calls_.writes;
    return inner_->Writev(from);
  }
  int ShutdownWrite() override { return inner_->ShutdownWrite(); }
  int TakeError() override { return inner_->TakeError(); }
  void ResetOnClose() override { inner_->ResetOnClose(); }
  SocketAddress LocalAddress() const override { return inner_->LocalAddress(); }
  SocketAddress PeerAddress() const override { return inner_->PeerAddress(); }
  SocketAddress OriginalDestination() const override { return inner_->OriginalDestination(); }
  bool RestoreDestination() override { return inner_->RestoreDestination(); }
  int PeekPending() override { return inner_->PeekPending(); }
  int descriptor() const override { return inner_->descriptor(); }

 private:
  std::unique_ptr<loop::Socket> inner_;
  Calls& calls_;
};

class SteadyStateTest : public ::testing::Test {
 protected:
  static constexpr int kWarmUp = 100;
  static constexpr int kRounds = 1000;

  // `kRounds` exchanges of a message of `size` bytes, counted after the warm-up.
  void Run(size_t size) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    certs::testing::TestCa ca("td", 1,
                              std::chrono::duration_cast<std::chrono::seconds>(now).count());
    ServerTlsSpec server_spec;
    server_spec.identity = testing::IdentityOf(ca.Workload("server"));
    server_spec.trust = testing::Share(ca.Bundle());
    ClientTlsSpec client_spec;
    client_spec.identity = testing::IdentityOf(ca.Workload("client"));
    client_spec.trust = testing::Share(ca.Bundle());
    auto loop = loop::NewUvLoop();
    testing::SecureServer server(*loop, *TlsTransports().NewAcceptor(std::move(server_spec)));
    server.on_accept = testing::Echo;
    server.wrap = [this](std::unique_ptr<loop::Socket> socket) {
      return std::make_unique<CountingSocket>(std::move(socket), calls_);
    };
    testing::TestEnd client(*loop);
    const std::string message(size, 'x');
    int left = kWarmUp + kRounds;
    client.on_ready = [&] {
      client.transport().EnableRead(true);
      client.Send(message);
    };
    client.on_read = [&](ReadResult) {
      if (client.received.size() < size) return;
      client.received.Clear();
      if (--left == kRounds) {
        counting = true;
        calls_ = {};
      }
      if (left == 0) {
        counting = false;
        counted_ = calls_;
        return loop->Stop();
      }
      client.Send(message);
    };
    client.Take((*TlsTransports().NewConnector(std::move(client_spec)))
                    ->Connect(*loop, server.address(), {}));
    loop->Run();
    EXPECT_EQ(left, 0);
  }

  Calls calls_;
  Calls counted_;
};

TEST_F(SteadyStateTest, OneReadAndOneWriteForASmallMessage) {
  Run(500);
  EXPECT_EQ(counted_.reads, kRounds);
  EXPECT_EQ(counted_.writes, kRounds);
}

// libssl allocates the buffer of each record with malloc itself, bypassing OPENSSL_malloc and so
// the slab's hooks: one for a record read, one for a record written. Both ends are counted here.
constexpr int kRecordsPerSmallRound = 4;
constexpr int kRecordsPerLargeRound = 12;  // 40,000 bytes are three records

TEST_F(SteadyStateTest, SmallMessagesMallocOnlyLibsslsRecordBuffers) {
  if (!TULLE_COUNTS_MALLOC) GTEST_SKIP() << "sanitizers bring their own malloc";
  mallocs = 0;
  Run(500);
  EXPECT_LE(mallocs, kRecordsPerSmallRound * kRounds);
}

TEST_F(SteadyStateTest, LargeMessagesMallocOnlyLibsslsRecordBuffers) {
  if (!TULLE_COUNTS_MALLOC) GTEST_SKIP() << "sanitizers bring their own malloc";
  mallocs = 0;
  Run(40'000);
  EXPECT_LE(mallocs, kRecordsPerLargeRound * kRounds);
}

}  // namespace
}  // namespace tulle::tls
