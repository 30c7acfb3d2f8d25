#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/base/deletable.h"
#include "net/base/intrusive_list.h"
#include "net/base/slab.h"
#include "net/base/socket_address.h"

// The seam for clock, timers, randomness, sockets, DNS, signals and posting between threads. Two
// implementations: libuv (net/loop/uv) and the deterministic simulator (net/loop/sim). Code above
// this header must not ask the system for any of these.
namespace tulle::loop {

using Duration = std::chrono::nanoseconds;
// Monotonic; 0 is some moment before the process started.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// The random source of a loop: seeded from the system (libuv) or the run's seed (simulator). Do not
// use it for keys: use certs::KeySource.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // SplitMix64.
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); 0 for bound 0.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

// A one-shot timer. Owner: the creator; destroying it stops it. Thread: the loop's.
class Timer {
 public:
  virtual ~Timer() = default;
  // Restarts if already running. The callback may start it again or destroy its owner by
  // DeferDelete, but not the timer itself.
  virtual void Start(Duration after) = 0;
  virtual void Stop() = 0;
  virtual bool active() const = 0;
};

class SocketEvents {
 public:
  virtual ~SocketEvents() = default;
  // `error` is 0 or a negative errno; on error both flags are set: read to the end, then ask
  // Socket::TakeError().
  virtual void OnSocketReady(int error, bool readable, bool writable) = 0;
};

// A connected or connecting stream socket, non-blocking. Owner: one transport. Thread: the loop's.
// Results are counts or negative errno (-EAGAIN: not now). Readiness is level-triggered.
class Socket {
 public:
  virtual ~Socket() = default;  // closes
  // Who is notified, and of what. `events` must outlive the socket or be changed before it is
  // destroyed. Repeating a call is cheap.
  virtual void Watch(SocketEvents* events, bool readable, bool writable) = 0;
  virtual ssize_t Readv(std::span<const iovec> into) = 0;  // 0: the peer's FIN
  virtual ssize_t Writev(std::span<const iovec> from) = 0;
  virtual int ShutdownWrite() = 0;  // sends FIN
  virtual int TakeError() = 0;      // SO_ERROR, cleared: 0 or negative errno
  // Makes the following close send RST instead of FIN.
  virtual void ResetOnClose() = 0;
  virtual SocketAddress LocalAddress() const = 0;
  virtual SocketAddress PeerAddress() const = 0;
  // SO_ORIGINAL_DST; unset when the connection was not redirected.
  virtual SocketAddress OriginalDestination() const = 0;
  // From now on LocalAddress() returns the original destination. False: the connection was not
  // redirected.
  virtual bool RestoreDestination() = 0;
  // Whether the peer has closed the idle connection or sent something on it (MSG_PEEK). 1: bytes or
  // FIN are waiting, 0: quiet.
  virtual int PeekPending() = 0;
  // For splice; -1 in the simulator.
  virtual int descriptor() const = 0;
  // For a connection that we initiated: bytes written that the peer's kernel has acknowledged, as
  // TCP_INFO counts them (without the SYN). Remains valid after FIN and EPIPE; after an RST it
  // proves nothing. Empty: unknown. Not for the data path.
  virtual std::optional<uint64_t> AcknowledgedBytes() { return std::nullopt; }
};

class ListenerEvents {
 public:
  virtual ~ListenerEvents() = default;
  virtual void OnAccept(std::unique_ptr<Socket> socket) = 0;
};

// A listening socket. Accepts a bounded number of connections per turn. On EMFILE accepting pauses
// and recovers automatically.
class Listener {
 public:
  virtual ~Listener() = default;                   // closes
  virtual SocketAddress LocalAddress() const = 0;  // the actual port if port 0 was requested
  virtual void Pause() = 0;
  virtual void Resume() = 0;
};

struct ListenOptions {
  bool reuse_port = true;  // SO_REUSEPORT: each worker has its own listener on the same address
  int backlog = 4096;
};

// An object with output to write or work to finish after the events of the current turn: one write
// per turn, not per event.
class TurnEnd : public ListNode<TurnEnd> {
 public:
  virtual ~TurnEnd() = default;
  virtual void OnTurnEnd() = 0;
};

// One thread's event loop. Call everything on the loop's own thread, except Post and Stop, which
// any thread may call.
//
// A turn is one batch of ready sockets, of timers, or of posted tasks. After each batch, in this
// order: OnTurnEnd of all objects that requested it (they may request it again and then run in the
// same turn), then deletions. So no callback runs on an object that was given to DeferDelete in an
// earlier turn, and output is flushed before the loop sleeps.
class Loop {
 public:
  virtual ~Loop() = default;

  virtual Instant Now() const = 0;  // taken once per turn
  virtual std::chrono::system_clock::time_point WallNow() const = 0;
  virtual Random& random() = 0;
  // The slab of this loop's thread.
  virtual Slab& slab() = 0;

  virtual std::unique_ptr<Timer> NewTimer(absl::AnyInvocable<void()> on_fire) = 0;

  // Starts a connect; completion is reported as writability (then call TakeError()). `source` may
  // be unset. Immediate failure: null and *error.
  virtual std::unique_ptr<Socket> Connect(const SocketAddress& to, const SocketAddress& source,
                                          int* error) = 0;
  // Null and *error (negative errno) on failure.
  virtual std::unique_ptr<Listener> Listen(const SocketAddress& at, const ListenOptions& options,
                                           ListenerEvents& events, int* error) = 0;

  // Whether the address (ignoring the port) belongs to this host.
  virtual bool IsOwnAddress(const SocketAddress& address) = 0;

  // Runs `task` on the loop's thread, in order of posting. Any thread.
  virtual void Post(absl::AnyInvocable<void()> task) = 0;
  // Runs item.OnTurnEnd() at the end of this turn; repeated requests count once.
  void AtTurnEnd(TurnEnd& item) {
    if (!item.linked()) turn_end_.PushBack(item);
  }
  // Deletes at the end of this turn, after the OnTurnEnd calls.
  void DeferDelete(std::unique_ptr<Deletable> object) { deletions_.push_back(std::move(object)); }

  virtual void OnSignal(int signal, absl::AnyInvocable<void()> handler) = 0;
  // Resolves a host name off the loop's thread. The callback gets addresses with `port`, or an
  // error text. Destroying the returned handle cancels.
  class Resolution {
   public:
    virtual ~Resolution() = default;
  };
  using Resolved = absl::AnyInvocable<void(std::vector<SocketAddress>, std::string error)>;
  virtual std::unique_ptr<Resolution> Resolve(std::string_view host, uint16_t port,
                                              Resolved done) = 0;

  // Until Stop(). Stop may be called from any thread.
  virtual void Run() = 0;
  virtual void Stop() = 0;

 protected:
  // For implementations: ends a turn.
  void EndTurn();

 private:
  IntrusiveList<TurnEnd> turn_end_;
  std::vector<std::unique_ptr<Deletable>> deletions_;
  bool ending_ = false;
};

}  // namespace tulle::loop
