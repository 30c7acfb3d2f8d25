// TCP as a transport: connecting, reading, writing, and reporting how a connection ended.
#include "net/socket/plain_transport.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/socket/transports.h"

namespace tulle {
namespace {

// Buffer space for one read. The rest of a 16 KiB block is enough for a message head; a stream that
// fills it gets the slab's largest blocks.
constexpr size_t kSmallRead = 2 * 1024;
constexpr size_t kLargeRead = Slab::kLargest - 64;
constexpr size_t kSlicesPerWrite = 64;

class PlainTransport final : public Transport, private loop::SocketEvents, private loop::TurnEnd {
 public:
  PlainTransport(loop::Loop& loop, std::unique_ptr<loop::Socket> socket, FailureOrigin side)
      : loop_(loop), side_(side), state_(State::kAnnouncing), socket_(std::move(socket)) {
    loop_.AtTurnEnd(*this);
  }
  PlainTransport(loop::Loop& loop, const SocketAddress& to, const SocketAddress& source,
                 FailureOrigin side)
      : loop_(loop), side_(side), state_(State::kConnecting) {
    int error = 0;
    socket_ = loop.Connect(to, source, &error);
    if (socket_ == nullptr) {
      Fail(error);
    } else {
      UpdateWatch();
    }
  }

  void SetEvents(TransportEvents* events) override { events_ = events; }
  ReadResult Read(Buffer& into, size_t limit) override;
  void Write(Buffer& from) override;
  void EnableRead(bool enabled) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;
  Failure failure() const override { return failure_; }
  SocketAddress LocalAddress() const override {
    return socket_ ? socket_->LocalAddress() : SocketAddress();
  }
  SocketAddress PeerAddress() const override {
    return socket_ ? socket_->PeerAddress() : SocketAddress();
  }
  SocketAddress OriginalDestination() const override {
    return socket_ ? socket_->OriginalDestination() : SocketAddress();
  }
  const PeerIdentity* peer() const override { return nullptr; }
  bool is_tls() const override { return false; }
  std::string_view alpn() const override { return {}; }
  std::string_view sni() const override { return {}; }
  bool IsQuiet() override {
    return state_ == State::kOpen && !read_ended_ && socket_->PeekPending() == 0;
  }
  uint64_t bytes_written() const override { return bytes_written_; }
  bool ClosedUnreadSince(uint64_t mark) override;

 private:
  enum class State : uint8_t { kConnecting, kAnnouncing, kOpen, kFailed, kClosed };

  void OnSocketReady(int error, bool readable, bool writable) override;
  void OnTurnEnd() override;
  void FinishConnect();
  // `error`: negative errno.
  void Fail(int error);
  void FailWrite(int error);
  Failure Explain(int error) const;
  void UpdateWatch();

  loop::Loop& loop_;
  const FailureOrigin side_;
  State state_;
  bool read_enabled_ = false;
  bool read_ended_ = false;     // FIN or an error was read: the socket would stay readable forever
  bool write_blocked_ = false;  // Write left bytes unwritten
  int write_error_ = 0;         // reported after the bytes that the peer had sent before are read
  bool read_large_ = false;
  bool fin_came_ = false;  // FIN came before any RST
  Failure failure_;
  TransportEvents* events_ = nullptr;
  std::unique_ptr<loop::Socket> socket_;
  uint64_t bytes_written_ = 0;
};

void PlainTransport::UpdateWatch() {
  if (state_ == State::kConnecting) return socket_->Watch(this, false, true);
  const bool open = state_ == State::kOpen;
  socket_->Watch(this, open && read_enabled_ && !read_ended_, open && write_blocked_);
}

void PlainTransport::OnSocketReady(int, bool readable, bool writable) {
  if (state_ == State::kConnecting) {
    if (writable) FinishConnect();
    return;
  }
  if (state_ == State::kOpen && writable && write_blocked_) {
    write_blocked_ = false;
    events_->OnTransportWritable();
    if (state_ == State::kOpen) UpdateWatch();
  }
  if (state_ == State::kOpen && readable && read_enabled_ && !read_ended_) {
    events_->OnTransportReadable();
  }
}

void PlainTransport::FinishConnect() {
  if (const int error = socket_->TakeError(); error != 0) return Fail(error);
  state_ = State::kOpen;
  UpdateWatch();
  events_->OnTransportReady();
}

void PlainTransport::OnTurnEnd() {
  if (state_ == State::kAnnouncing) {
    state_ = State::kOpen;
    UpdateWatch();
    events_->OnTransportReady();
  } else if (state_ == State::kFailed) {
    events_->OnTransportFailed(failure_);
  }
}

void PlainTransport::Fail(int error) {
  failure_ = Explain(error);
  state_ = State::kFailed;
  if (socket_ != nullptr) socket_->Watch(this, false, false);
  loop_.AtTurnEnd(*this);
}

// A peer that rejects a body responds and closes, and the reset may overtake the response: read
// what the kernel still holds first.
void PlainTransport::FailWrite(int error) {
  // After an RST without a FIN this would be ECONNRESET; Linux returns EPIPE only in CLOSE_WAIT.
  fin_came_ = fin_came_ || error == -EPIPE;
  const bool lost = error == -EPIPE || error == -ECONNRESET || error == -ETIMEDOUT;
  if (!lost || !read_enabled_ || read_ended_) return Fail(error);
  write_error_ = error;
}

Failure PlainTransport::Explain(int error) const {
  if (state_ == State::kConnecting) return ConnectFailure(error);
  const FailureKind kind = side_ == FailureOrigin::kUpstream ? FailureKind::kUpstreamReset
                                                             : FailureKind::kDownstreamClosed;
  if (error == -ETIMEDOUT) return {kind, "connection timed out: the peer stopped responding"};
  return {kind, "connection reset by peer"};
}

ReadResult PlainTransport::Read(Buffer& into, size_t limit) {
  if (state_ == State::kFailed) return {ReadStatus::kFailed};
  if (state_ != State::kOpen || limit == 0) return {ReadStatus::kWouldBlock};
  if (read_ended_) return {ReadStatus::kEnd};
  const std::span<char> room = into.Reserve(std::min(limit, read_large_ ? kLargeRead : kSmallRead));
  const iovec piece{room.data(), std::min(room.size(), limit)};
  const ssize_t count = socket_->Readv({&piece, 1});
  into.Commit(count > 0 ? static_cast<size_t>(count) : 0);
  if (count > 0) {
    // Sustained reading: the next read comes when this one's bytes are processed.
    read_large_ = static_cast<size_t>(count) == piece.iov_len;
    return {ReadStatus::kOk, static_cast<size_t>(count)};
  }
  if (count == -EAGAIN) return {ReadStatus::kWouldBlock};
  read_ended_ = true;
  fin_came_ = fin_came_ || (count == 0 && write_error_ == 0);
  // The failed write consumed the socket's error, so the end seen now is not an orderly one.
  if (count == 0 && write_error_ == 0) {
    UpdateWatch();
    return {ReadStatus::kEnd};
  }
  Fail(write_error_ != 0 ? write_error_ : static_cast<int>(count));
  return {ReadStatus::kFailed};
}

void PlainTransport::Write(Buffer& from) {
  if (state_ != State::kOpen || write_error_ != 0) return;
  std::array<iovec, kSlicesPerWrite> slices;
  while (!from.empty()) {
    const size_t slice_count = static_cast<size_t>(from.Gather(slices));
    size_t offered = 0;
    for (size_t i = 0; i < slice_count; ++i) offered += slices[i].iov_len;
    const ssize_t count = socket_->Writev({slices.data(), slice_count});
    if (count < 0 && count != -EAGAIN) return FailWrite(static_cast<int>(count));
    if (count > 0) {
      from.Drain(static_cast<size_t>(count));
      bytes_written_ += static_cast<uint64_t>(count);
    }
    if (count < 0 || static_cast<size_t>(count) < offered) {
      write_blocked_ = true;
      return UpdateWatch();
    }
  }
}

bool PlainTransport::ClosedUnreadSince(uint64_t mark) {
  if (!fin_came_ || socket_ == nullptr) return false;
  const std::optional<uint64_t> acknowledged = socket_->AcknowledgedBytes();
  return acknowledged && *acknowledged <= mark;
}

void PlainTransport::EnableRead(bool enabled) {
  if (read_enabled_ == enabled) return;
  read_enabled_ = enabled;
  if (state_ == State::kOpen) UpdateWatch();
}

void PlainTransport::ShutdownWrite() {
  // A failure here means that the connection is already lost, which reading reports.
  if (state_ == State::kOpen) socket_->ShutdownWrite();
}

void PlainTransport::Close(bool reset) {
  if (socket_ != nullptr && reset) socket_->ResetOnClose();
  socket_.reset();
  state_ = State::kClosed;
  events_ = nullptr;
  Unlink();
}

class Plain final : public TransportConnector, public TransportAcceptor {
 public:
  std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                     const SocketAddress& source) const override {
    return NewConnectingTransport(loop, to, source);
  }
  std::unique_ptr<Transport> Accept(loop::Loop& loop,
                                    std::unique_ptr<loop::Socket> socket) const override {
    return NewAcceptedTransport(loop, std::move(socket));
  }
};

const Plain kPlain;

}  // namespace

Failure ConnectFailure(int error) {
  switch (-error) {
    case ECONNREFUSED:
      return {FailureKind::kConnectRefused, "connection refused"};
    case ETIMEDOUT:
      return {FailureKind::kConnectTimeout, "connect timed out"};
    case EHOSTUNREACH:
    case ENETUNREACH:
      return {FailureKind::kConnectRefused, "no route to the address"};
    case EMFILE:
    case ENFILE:
      return {FailureKind::kConnectRefused, "out of file descriptors: raise the limit (nofile)"};
    case EADDRNOTAVAIL:
      return {FailureKind::kConnectRefused, "no local address or port left to connect from"};
    case EACCES:
    case EPERM:
      return {FailureKind::kConnectRefused, "connect forbidden by this host's firewall"};
    default:
      return {FailureKind::kConnectRefused, "connect failed"};
  }
}

std::unique_ptr<Transport> NewAcceptedTransport(loop::Loop& loop,
                                                std::unique_ptr<loop::Socket> socket,
                                                FailureOrigin side) {
  return std::make_unique<PlainTransport>(loop, std::move(socket), side);
}

std::unique_ptr<Transport> NewConnectingTransport(loop::Loop& loop, const SocketAddress& to,
                                                  const SocketAddress& source, FailureOrigin side) {
  return std::make_unique<PlainTransport>(loop, to, source, side);
}

const TransportConnector& PlainConnector() { return kPlain; }
const TransportAcceptor& PlainAcceptor() { return kPlain; }

}  // namespace tulle
