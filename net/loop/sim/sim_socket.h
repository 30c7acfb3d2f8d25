#pragma once

#include <deque>
#include <memory>

#include "net/loop/loop.h"
#include "net/loop/sim/connection.h"
#include "net/loop/sim/network.h"
#include "net/loop/sim/sim_loop.h"

namespace tulle::sim {

// One end of a simulated connection, as a process sees it.
class SimSocket final : public loop::Socket, public Watched, private EndObserver {
 public:
  SimSocket(SimLoop& loop, std::shared_ptr<Connection> connection, int side);
  ~SimSocket() override;

  void Watch(loop::SocketEvents* events, bool readable, bool writable) override;
  ssize_t Readv(std::span<const iovec> into) override { return connection_->Read(side_, into); }
  ssize_t Writev(std::span<const iovec> from) override { return connection_->Write(side_, from); }
  int ShutdownWrite() override { return connection_->ShutdownWrite(side_); }
  int TakeError() override { return connection_->TakeError(side_); }
  void ResetOnClose() override { reset_ = true; }
  SocketAddress LocalAddress() const override {
    return restored_ ? connection_->wanted() : connection_->address(side_);
  }
  SocketAddress PeerAddress() const override { return connection_->address(1 - side_); }
  SocketAddress OriginalDestination() const override { return connection_->wanted(); }
  bool RestoreDestination() override { return restored_ = connection_->wanted().is_set(); }
  int PeekPending() override { return connection_->IsReadable(side_) ? 1 : 0; }
  int descriptor() const override { return -1; }
  std::optional<uint64_t> AcknowledgedBytes() override { return connection_->acknowledged(side_); }

  bool IsReady() const override;
  void Deliver() override;
  void Crash() override;

 private:
  void OnEndChanged() override;

  SimLoop& loop_;
  std::shared_ptr<Connection> connection_;
  const int side_;
  loop::SocketEvents* events_ = nullptr;
  bool want_read_ = false;
  bool want_write_ = false;
  bool reset_ = false;
  bool restored_ = false;
};

class SimListener final : public loop::Listener, public Watched, private AcceptQueue {
 public:
  // Null and *error on failure.
  static std::unique_ptr<SimListener> Open(SimLoop& loop, SocketAddress at,
                                           const loop::ListenOptions& options,
                                           loop::ListenerEvents& events, int* error);
  ~SimListener() override;

  SocketAddress LocalAddress() const override { return at_; }
  void Pause() override { paused_ = true; }
  void Resume() override;

  bool IsReady() const override { return !paused_ && !waiting_.empty(); }
  void Deliver() override;
  void Crash() override;

 private:
  SimListener(SimLoop& loop, size_t backlog, loop::ListenerEvents& events);
  bool Offer(std::shared_ptr<Connection> connection) override;

  SimLoop& loop_;
  const size_t backlog_;
  loop::ListenerEvents& events_;
  SocketAddress at_;
  std::deque<std::shared_ptr<Connection>> waiting_;
  bool paused_ = false;
};

}  // namespace tulle::sim
