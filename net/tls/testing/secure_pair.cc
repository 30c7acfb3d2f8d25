#include "net/tls/testing/secure_pair.h"

#include <gtest/gtest.h>

#include <utility>

namespace tulle::tls::testing {

void TestEnd::Take(std::unique_ptr<Transport> transport) {
  transport_ = std::move(transport);
  transport_->SetEvents(this);
}

void TestEnd::Send(std::string_view bytes) {
  pending.Append(bytes);
  transport_->Write(pending);
}

void TestEnd::Close(bool reset) {
  if (transport_ == nullptr) return;
  transport_->Close(reset);
  loop_.DeferDelete(std::move(transport_));
}

void TestEnd::OnTransportReady() {
  EXPECT_FALSE(ready);
  EXPECT_FALSE(failure);
  ready = true;
  if (on_ready) on_ready();
}

void TestEnd::OnTransportReadable() {
  EXPECT_TRUE(ready);
  const ReadResult result = transport_->Read(received, read_limit);
  if (result.status == ReadStatus::kEnd) ended = true;
  if (on_read) on_read(result);
}

void TestEnd::OnTransportWritable() {
  ++writables;
  transport_->Write(pending);
  if (on_writable) on_writable();
}

void TestEnd::OnTransportFailed(Failure why) {
  EXPECT_FALSE(failure);
  failure = why;
  if (on_failed) on_failed();
}

void Echo(TestEnd& end) {
  end.on_ready = [&end] { end.transport().EnableRead(true); };
  const auto end_if_done = [&end] {
    if (end.ended && end.pending.empty()) end.transport().ShutdownWrite();
  };
  end.on_read = [&end, end_if_done](ReadResult) {
    end.pending.Append(end.received);
    end.transport().Write(end.pending);
    // Pull only what can be passed on.
    end.transport().EnableRead(end.pending.empty());
    end_if_done();
  };
  end.on_writable = [&end, end_if_done] {
    end.transport().EnableRead(end.pending.empty());
    end_if_done();
  };
}

std::shared_ptr<const TlsIdentity> IdentityOf(const certs::testing::TestIdentity& identity) {
  return std::make_shared<const TlsIdentity>(TlsIdentity{identity.chain, identity.key});
}

std::shared_ptr<const certs::TrustBundle> Share(certs::TrustBundle bundle) {
  return std::make_shared<const certs::TrustBundle>(std::move(bundle));
}

SecureServer::SecureServer(loop::Loop& loop, std::shared_ptr<const SecureAcceptor> acceptor)
    : loop_(loop), acceptor_(std::move(acceptor)) {
  int error = 0;
  listener_ = loop.Listen(SocketAddress::Loopback4(0), {}, *this, &error);
}

void SecureServer::OnAccept(std::unique_ptr<loop::Socket> socket) {
  if (wrap) socket = wrap(std::move(socket));
  ends.push_back(std::make_unique<TestEnd>(loop_));
  on_accept(*ends.back());
  ends.back()->Take(
      static_cast<const TransportAcceptor&>(*acceptor_).Accept(loop_, std::move(socket)));
}

}  // namespace tulle::tls::testing
