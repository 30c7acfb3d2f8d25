// How a session begins and ends: drain, the end of the connection with an error, its loss, and the
// order of what remains: output, our FIN, the peer's FIN. Source: RFC 9113 5.4.1, 6.8, 9.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http2/link.h"
#include "net/http2/streams.h"
#include "net/socket/transport.h"

namespace tulle::http2 {

// Owner: a session. Thread: the session's. Order: Open, then anything; nothing after Close, or
// after TakeReport has returned true.
class Closing {
 public:
  enum class State : uint8_t {
    kConnecting,
    kOpen,
    kEnding,     // stops reading; writes the remaining output
    kLingering,  // our FIN is sent; waits for the peer's, so that a RST does not overtake the
                 // GOAWAY
    kClosed,     // the owner is, or will be, notified
  };

  Closing(Link& link, Streams& streams, Transport& transport)
      : link_(link), streams_(streams), transport_(transport) {}

  State state() const { return state_; }
  // Frames are read and written.
  bool open() const { return state_ == State::kOpen; }
  bool closed() const { return state_ == State::kClosed; }
  bool reported() const { return reported_; }
  // Why streams and the connection have failed; empty for an orderly end.
  Failure why() const { return why_; }

  // The transport is ready.
  void Open() { state_ = State::kOpen; }
  // We want to leave; see Drain. EndDrain sends the last GOAWAY.
  void Drain();
  void EndDrain();
  // Ends the connection: sends GOAWAY with that code, resets the streams, then closes the
  // transport.
  void Abort(uint32_t error_code, FailureKind kind, const char* reason);
  // nghttp2 has written a GOAWAY with an error.
  void OnErrorSent();
  // nghttp2 has sent its last GOAWAY and wants to read nothing more.
  void End();
  // The transport has ended. `why` is empty for an orderly end.
  void OnLost(Failure why);
  // The GOAWAY of Abort, once.
  void WriteGoaway(Buffer& out);
  // The system has refused memory to nghttp2.
  void OnMemoryShort();
  // Call it at the end of a turn. `unsent`: collected output was not written yet.
  void Advance(bool unsent);
  // While kEnding or kLingering: reads until the peer's FIN.
  void Discard();
  // The user closes the session: no event follows.
  void Close();
  // True once: the owner must be told why() now. Complete messages that wait for credit are
  // delivered first.
  bool TakeReport();

 private:
  void OnLingered();
  void CloseNow(bool reset);
  void StartTimer(void (Closing::*then)(), loop::Duration after);

  Link& link_;
  Streams& streams_;
  Transport& transport_;
  State state_ = State::kConnecting;
  bool goaway_due_ = false;  // our own, by Abort
  bool reported_ = false;
  uint32_t abort_code_ = 0;
  Failure why_;
  size_t discarded_ = 0;                // bytes
  std::unique_ptr<loop::Timer> timer_;  // drain, then linger
};

}  // namespace tulle::http2
