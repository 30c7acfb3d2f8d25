#pragma once

#include <uv.h>

#include <memory>

#include "net/loop/loop.h"
#include "net/loop/uv/poll.h"

namespace tulle::loop {

// Detects within 90 s that a silent peer is gone. Sockets accepted by a listener inherit it.
void WatchForDeadPeer(int descriptor);

class UvSocket final : public Socket, private PollEvents {
 public:
  // Takes ownership of the descriptor, which is closed on failure. `peer` is the address known to
  // accept4 or to the caller of connect.
  static std::unique_ptr<UvSocket> Adopt(uv_loop_t& loop, Slab& slab, int descriptor,
                                         const SocketAddress& peer, int* error);
  ~UvSocket() override;

  void Watch(SocketEvents* events, bool readable, bool writable) override;
  ssize_t Readv(std::span<const iovec> into) override;
  ssize_t Writev(std::span<const iovec> from) override;
  int ShutdownWrite() override;
  int TakeError() override;
  void ResetOnClose() override;
  SocketAddress LocalAddress() const override;
  SocketAddress PeerAddress() const override { return peer_; }
  SocketAddress OriginalDestination() const override;
  bool RestoreDestination() override;
  int PeekPending() override;
  int descriptor() const override { return descriptor_; }
  std::optional<uint64_t> AcknowledgedBytes() override;

 private:
  UvSocket(int descriptor, const SocketAddress& peer) : descriptor_(descriptor), peer_(peer) {}
  void OnPoll(int status, int events) override;

  const int descriptor_;
  int wanted_ = 0;  // what Watch requested; the poll may watch for more
  Poll* poll_ = nullptr;
  SocketEvents* events_ = nullptr;
  SocketAddress peer_;
  mutable SocketAddress local_;  // read from the kernel once
};

// A non-blocking connect under way, or null and *error (negative errno).
std::unique_ptr<Socket> ConnectUvSocket(uv_loop_t& loop, Slab& slab, const SocketAddress& to,
                                        const SocketAddress& source, int* error);

}  // namespace tulle::loop
