// The test's side of a fake transport.
#include "net/socket/testing/fake_transport.h"

#include <algorithm>
#include <cassert>

namespace tulle {

class FakePeer::FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakePeer& peer) : peer_(peer) {}
  ~FakeTransport() override {
    assert(peer_.closed_ && "a transport is closed before it goes");
    peer_.transport_ = nullptr;
  }

  void SetEvents(TransportEvents* events) override { peer_.events_ = events; }
  ReadResult Read(Buffer& into, size_t limit) override {
    ++peer_.reads_;
    if (peer_.pending_.empty()) {
      if (!peer_.ended_) return {ReadStatus::kWouldBlock};
      peer_.end_read_ = true;
      return {ReadStatus::kEnd};
    }
    const size_t count = std::min(limit, peer_.pending_.size());
    into.Append(std::string_view(peer_.pending_).substr(0, count));
    peer_.pending_.erase(0, count);
    return {ReadStatus::kOk, count};
  }
  void Write(Buffer& from) override {
    assert(!peer_.closed_ && !peer_.write_shut_);
    const size_t count = std::min(from.size(), peer_.room_);
    if (count > 0) ++peer_.writes_;
    peer_.received_ += from.ToString().substr(0, count);
    from.Drain(count);
    if (peer_.room_ != static_cast<size_t>(-1)) peer_.room_ -= count;
    peer_.starved_ = !from.empty();
    written_ += count;
  }
  void EnableRead(bool enabled) override { peer_.reading_ = enabled; }
  void ShutdownWrite() override { peer_.write_shut_ = true; }
  void Close(bool reset) override {
    peer_.closed_ = true;
    peer_.reset_ = reset;
    peer_.events_ = nullptr;
  }

  Failure failure() const override { return {}; }
  SocketAddress LocalAddress() const override { return SocketAddress::Loopback4(80); }
  SocketAddress PeerAddress() const override { return SocketAddress::Loopback4(40000); }
  SocketAddress OriginalDestination() const override { return {}; }
  const PeerIdentity* peer() const override { return nullptr; }
  bool is_tls() const override { return false; }
  std::string_view alpn() const override { return {}; }
  std::string_view sni() const override { return {}; }
  bool IsQuiet() override { return peer_.pending_.empty() && !peer_.ended_; }
  uint64_t bytes_written() const override { return written_; }

 private:
  FakePeer& peer_;
  uint64_t written_ = 0;
};

std::unique_ptr<Transport> FakePeer::NewTransport() {
  assert(transport_ == nullptr && !closed_);
  auto transport = std::make_unique<FakeTransport>(*this);
  transport_ = transport.get();
  return transport;
}

void FakePeer::Tell() {
  while (events_ != nullptr && reading_ && (!pending_.empty() || (ended_ && !end_read_))) {
    const size_t before = pending_.size();
    events_->OnTransportReadable();
    if (pending_.size() == before && !end_read_) return;
  }
}

void FakePeer::Send(std::string_view bytes) {
  pending_ += bytes;
  Tell();
}

void FakePeer::SendEnd() {
  ended_ = true;
  Tell();
}

void FakePeer::Connected() {
  if (events_ != nullptr) events_->OnTransportReady();
}

void FakePeer::Fail(Failure failure) {
  if (TransportEvents* events = std::exchange(events_, nullptr)) events->OnTransportFailed(failure);
}

void FakePeer::SetRoom(size_t bytes) {
  room_ = bytes;
  if (starved_ && bytes > 0 && events_ != nullptr) {
    starved_ = false;
    events_->OnTransportWritable();
  }
}

}  // namespace tulle
