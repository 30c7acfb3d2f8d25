#pragma once

#include <memory>
#include <string_view>

#include "net/base/buffer.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http2::testing {

class PipeTransport;

// The wire between two PipeTransports, or between one and the test. Outlives both.
class Pipe {
 public:
  explicit Pipe(loop::Loop& loop);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // Call each once. If the second is never called, the test is the other end.
  std::unique_ptr<PipeTransport> TakeEnd(int index);

  // One round: reports readable ends. False if there were none.
  bool Pump();

  struct Direction {
    explicit Direction(Slab& slab) : bytes(slab) {}
    Buffer bytes;
    size_t room = SIZE_MAX;  // bytes that Write accepts
    bool ended = false;
    bool reset = false;
    bool end_told = false;
  };
  // The bytes that end `from` wrote and the other end has not read.
  Direction& from(int index) { return directions_[index]; }

 private:
  friend class PipeTransport;
  Direction directions_[2];
  PipeTransport* ends_[2] = {nullptr, nullptr};
};

class PipeTransport final : public Transport {
 public:
  PipeTransport(Pipe& pipe, int index);
  ~PipeTransport() override;

  void SetEvents(TransportEvents* events) override { events_ = events; }
  ReadResult Read(Buffer& into, size_t limit) override;
  void Write(Buffer& from) override;
  void EnableRead(bool enabled) override { reading_ = enabled; }
  void ShutdownWrite() override { out().ended = true; }
  void Close(bool reset) override;
  Failure failure() const override { return {}; }
  SocketAddress LocalAddress() const override { return {}; }
  SocketAddress PeerAddress() const override { return {}; }
  SocketAddress OriginalDestination() const override { return {}; }
  const PeerIdentity* peer() const override { return nullptr; }
  bool is_tls() const override { return false; }
  std::string_view alpn() const override { return {}; }
  std::string_view sni() const override { return {}; }
  bool IsQuiet() override { return in().bytes.empty() && !in().ended; }
  uint64_t bytes_written() const override { return written_; }

  TransportEvents* events() const { return events_; }
  bool closed() const { return closed_; }
  // Lets Write accept more.
  void GiveRoom(size_t bytes);

 private:
  friend class Pipe;
  Pipe::Direction& in() { return pipe_.directions_[1 - index_]; }
  Pipe::Direction& out() { return pipe_.directions_[index_]; }

  Pipe& pipe_;
  const int index_;
  TransportEvents* events_ = nullptr;
  bool reading_ = false;
  bool closed_ = false;
  uint64_t written_ = 0;
};

}  // namespace tulle::http2::testing
