#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "net/base/buffer.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http1 {

// How long the last bytes of an upgraded connection may wait for a peer that takes none.
constexpr loop::Duration kLastBytesPatience = std::chrono::seconds(60);

// The end of an upgraded connection by ResetUpgraded.
constexpr Failure kPeerUnwelcome{FailureKind::kPeerRefused, "the peer may be here no more"};

class WireEvents {
 public:
  virtual ~WireEvents() = default;
  virtual void OnWireReady() = 0;
  // There are new bytes in in(), or input has ended.
  virtual void OnWireInput() = 0;
  // The transport failed; ended() is true.
  virtual void OnWireFailed(Failure failure) = 0;
  // End of the turn, before output is written; after Wake also when closed.
  virtual void OnWireTurn() = 0;
  // Output went out: there may be room.
  virtual void OnWireOutput() = 0;
  // What CloseAfterOutput began is done. No event follows.
  virtual void OnWireClosed() = 0;
};

// What server and client connection share: a transport with its input and output. One read a
// readiness, one write a turn; reading pauses while the owner cannot use more.
// Owner: a connection, which outlives no event. Thread: the loop's.
class Wire final : private TransportEvents, private loop::TurnEnd {
 public:
  Wire(loop::Loop& loop, loop::Deadlines& deadlines, std::unique_ptr<Transport> transport,
       WireEvents& events);
  ~Wire() override;

  Transport& transport() { return *transport_; }
  Buffer& in() { return in_; }
  // After an append: Wake().
  Buffer& out() { return out_; }
  const Buffer& out() const { return out_; }
  // OnWireTurn will come, and output be written.
  void Wake();
  void WantInput(bool wanted);
  // Takes what has come, now. False: nothing.
  bool ReadNow();
  // After an upgrade: moves up to `credit` bytes to `out`, and reads on once all is taken. True:
  // the peer's end has come behind them.
  bool TakeBytes(size_t credit, Buffer& out);
  // After an upgrade: FIN behind what is in out(). Input goes on.
  void ShutdownAfterOutput();
  // No more input will come: FIN, failure, or closed here.
  bool ended() const { return ended_; }
  bool failed() const { return static_cast<bool>(failure_); }
  bool closing() const { return state_ != State::kOpen; }
  bool closed() const { return state_ == State::kClosed; }

  // Bytes that were put into out() so far, and those of them that the transport took.
  uint64_t queued() const { return written_ + out_.size(); }
  uint64_t written() const { return written_; }

  // Writes what is in out(), sends FIN, and discards input until the peer's FIN, so that a reset
  // does not take the last bytes from it; at most `patience` without progress. Then OnWireClosed.
  void CloseAfterOutput(loop::Duration patience);
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
  loop::Duration patience_{};
  loop::Deadline close_deadline_;
};

}  // namespace tulle::http1
