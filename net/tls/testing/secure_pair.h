#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "certs/testing/fixtures.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::tls::testing {

// One end of a connection: records its input, writes what it is given, and calls back.
class TestEnd : public TransportEvents {
 public:
  explicit TestEnd(loop::Loop& loop) : received(loop.slab()), pending(loop.slab()), loop_(loop) {}
  ~TestEnd() override { Close(false); }

  void Take(std::unique_ptr<Transport> transport);
  Transport& transport() { return *transport_; }
  void Send(std::string_view bytes);
  void Close(bool reset);

  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override;
  void OnTransportFailed(Failure why) override;

  Buffer received;
  Buffer pending;
  size_t read_limit = 1 << 20;
  bool ready = false;
  bool ended = false;
  int writables = 0;
  Failure failure;
  std::function<void()> on_ready, on_writable, on_failed;
  std::function<void(ReadResult)> on_read;

 private:
  loop::Loop& loop_;
  std::unique_ptr<Transport> transport_;
};

// Echoes everything, including the end.
void Echo(TestEnd& end);

std::shared_ptr<const TlsIdentity> IdentityOf(const certs::testing::TestIdentity& identity);
std::shared_ptr<const certs::TrustBundle> Share(certs::TrustBundle bundle);

// A listener that accepts with `acceptor`, and its accepted ends. Both sides run on `loop`.
class SecureServer : public loop::ListenerEvents {
 public:
  SecureServer(loop::Loop& loop, std::shared_ptr<const SecureAcceptor> acceptor);
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  SocketAddress address() const { return listener_->LocalAddress(); }

  std::function<void(TestEnd&)> on_accept = [](TestEnd&) {};
  // Wraps the accepted socket before the transport uses it.
  std::function<std::unique_ptr<loop::Socket>(std::unique_ptr<loop::Socket>)> wrap;
  std::vector<std::unique_ptr<TestEnd>> ends;

 private:
  loop::Loop& loop_;
  std::shared_ptr<const SecureAcceptor> acceptor_;
  std::unique_ptr<loop::Listener> listener_;
};

}  // namespace tulle::tls::testing
