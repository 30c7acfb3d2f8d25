#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "net/base/buffer.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http1 {

// How long the last bytes of an upgraded connection may wait for a peer that accepts none.
constexpr loop::Duration kFinalFlushTimeout = std::chrono::seconds(60);

// The end of an upgraded connection by ResetUpgraded.
constexpr Failure kPeerRevoked{FailureKind::kPeerRefused, "the peer is no longer trusted"};

class WireEvents {
 public:
  virtual ~WireEvents() = default;
  virtual void OnWireReady() = 0;
  // in() has new bytes, or input has ended.
  virtual void OnWireInput() = 0;
  // The transport failed; ended() is true.
  virtual void OnWireFailed(Failure failure) = 0;
  // End of the turn, before output is written; after Wake also when closed.
  virtual void OnWireTurn() = 0;
  // Output was written: there may be space again.
  virtual void OnWireOutput() = 0;
  // CloseAfterOutput has finished. No event follows.
  virtual void OnWireClosed() = 0;
};

// The part that server and client connections share: a transport with its input and output. One
// read per readiness event, one write per turn; reading pauses while the owner cannot use more.
// Owner: a connection. Thread: the loop's.
class Wire final : private TransportEvents, private loop::TurnEnd {
 public:
  Wire(loop::Loop& loop, loop::Deadlines& deadlines, std::unique_ptr<Transport> transport,
       WireEvents& events);
  ~Wire() override;

  Transport& transport() { return *transport_; }
  Buffer& in() { return in_; }
  // Call Wake() after appending.
  Buffer& out() { return out_; }
  const Buffer& out() const { return out_; }
  // Ensures that OnWireTurn comes and that output is written.
  void Wake();
  void WantInput(bool wanted);
  // Reads available bytes now. False: nothing was available.
  bool ReadNow();
  // After an upgrade: moves up to `credit` bytes to `out`, and reads on when all are moved. True:
  // the peer's end of stream follows them.
  bool TakeBytes(size_t credit, Buffer& out);
  // After an upgrade: sends FIN after the bytes in out(). Input continues.
  void ShutdownAfterOutput();
  // No more input will come: FIN, failure, or closed here.
  bool ended() const { return ended_; }
  bool failed() const { return static_cast<bool>(failure_); }
  bool closing() const { return state_ != State::kOpen; }
  bool closed() const { return state_ == State::kClosed; }

  // Bytes appended to out() so far, and how many of them the transport accepted.
  uint64_t queued() const { return written_ + out_.size(); }
  uint64_t written() const { return written_; }

  // Writes the bytes in out(), sends FIN, and discards input until the peer's FIN, so that a reset
  // does not destroy the last bytes. Waits at most `timeout` without progress. Then OnWireClosed.
  void CloseAfterOutput(loop::Duration timeout);
  // At once; no event follows.
  void Close(bool reset);

 private:
  enum class State : uint8_t { kOpen, kFlushing, kLingering, kClosed };

  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override;
  void OnTransportFailed(Failure failure) override;
  void OnTurnEnd() override;
  void Flush();
  void Finish(bool reset);

  loop::Loop& loop_;
  loop::Deadlines& deadlines_;
  std::unique_ptr<Transport> transport_;
  WireEvents& events_;
  Buffer in_;
  Buffer out_;
  uint64_t written_ = 0;
  State state_ = State::kOpen;
  bool reading_ = false;
  bool ended_ = false;
  bool write_blocked_ = false;
  bool shutdown_due_ = false;
  Failure failure_;
  loop::Duration close_timeout_{};
  loop::Deadline close_deadline_;
};

}  // namespace tulle::http1
