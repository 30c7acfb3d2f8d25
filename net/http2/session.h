#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/base/intrusive_list.h"
#include "net/http/stream.h"
#include "net/http2/flood_guard.h"
#include "net/http2/memory.h"
#include "net/http2/options.h"
#include "net/http2/stream.h"
#include "net/http2/window_tuner.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http2 {

enum class Role : uint8_t { kServer, kClient };

// What a session reports to the connection that owns it; never from inside a call on the session.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  // Client: the transport is ready.
  virtual void OnSessionReady() = 0;
  // Server: a request began. Null: refused.
  virtual http::StreamEvents* OnSessionStream(http::Stream& stream) = 0;
  // Client: StreamRoom() grew.
  virtual void OnSessionRoom() = 0;
  // The last event.
  virtual void OnSessionClosed(Failure why) = 0;
};

// An HTTP/2 connection of either role: nghttp2's state machine, fed from and flushed to a
// transport.
//
// In a turn, the bytes read are fed to nghttp2, whose callbacks (session_callbacks.cc) fill
// streams and put them on the ready list; then ready streams are delivered; at the end of the turn
// the resulting frames are collected and written once. Body bytes are moved by reference in both
// directions.
//
// Owner: the connection. Thread: the loop's. All memory comes from the loop's slab.
class Session final : public TransportEvents, public loop::TurnEnd {
 public:
  Session(Role role, loop::Loop& loop, std::unique_ptr<Transport> transport, SessionEvents& events,
          const Options& options);
  ~Session() override;

  // Server: the transport is ready, `early` was read from it before.
  void Start(Buffer* early);
  void Drain();
  void Close();
  Stream& Open(http::StreamEvents& events);
  size_t StreamRoom() const;
  size_t active_streams() const { return active_; }
  Transport& transport() { return *transport_; }

  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override;
  void OnTransportFailed(Failure failure) override;
  void OnTurnEnd() override;

 private:
  friend class Stream;
  friend struct Callbacks;

  enum class State : uint8_t {
    kConnecting,
    kOpen,
    kEnding,     // stops reading; writes the remaining output
    kLingering,  // our FIN is sent; waits for the peer's, so that a RST does not overtake the
                 // GOAWAY
    kClosed,     // the owner is, or will be, notified
  };

  bool running() const { return state_ == State::kOpen; }
  bool is_server() const { return role_ == Role::kServer; }
  void Begin();
  void Read();
  void Feed();
  // Null: no effect.
  void CheckFlood(const char* reason);
  // Ends the connection: sends GOAWAY with that code, resets the streams, then closes the
  // transport.
  void Abort(uint32_t error_code, FailureKind kind, const char* reason);
  void WriteGoaway();
  void ResetAllStreams(Failure why);
  void CloseIfAllocationFailed();
  void DeliverDue();
  void Flush();
  void Collect();
  void FinishIfDone();
  void Linger();
  void CloseNow(bool reset);
  void OnLost(Failure why);
  void Report();
  void Discard();
  void EndDrain();
  void StartTimer(void (Session::*then)(), loop::Duration after);
  void OnPingAnswer(const uint8_t* opaque);
  void OnKeepalive();
  void OnLingered();

  Stream* NewStream(http::StreamEvents* events);
  void Destroy(Stream& stream);
  void Due(Stream& stream);
  void OnBody(Stream& stream, const char* bytes, size_t size);
  void OnStreamGone(Stream& stream, uint32_t error_code);
  // HEADERS for a stream that the peer has ended or skipped: nghttp2 has forgotten it. (It ignores
  // DATA for such streams silently.)
  void CheckStreamId(const nghttp2_frame_hd& head);
  void GrowWindow(Stream& stream);
  Failure StreamFailure(const Stream& stream, uint32_t error_code) const;
  Failure LostStream(const Stream& stream, Failure why) const;

  const Role role_;
  State state_ = State::kConnecting;
  bool draining_ = false;  // no new streams
  bool goaway_received_ = false;
  bool last_goaway_sent_ = false;
  bool goaway_due_ = false;  // our own, by Abort
  bool room_changed_ = false;
  bool reported_ = false;
  bool heard_ = false;           // input arrived since the last keepalive tick
  bool keepalive_sent_ = false;  // and its response is pending
  bool unanswered_ = false;      // a stream was active since the last input from the peer
  bool feeding_ = false;
  uint32_t abort_code_ = 0;
  Failure why_;

  loop::Loop& loop_;
  SessionEvents& events_;
  const Options options_;
  std::unique_ptr<Transport> transport_;
  SessionMemory memory_;
  nghttp2_session* session_ = nullptr;  // null before Begin, and if allocation failed
  Buffer in_;
  Buffer out_;
  const char* piece_ = nullptr;  // in_'s front position when it was passed to nghttp2
  size_t taken_ = 0;             // of that piece, already moved to streams
  size_t active_ = 0;            // streams known, or soon known, to nghttp2
  size_t held_ = 0;              // body bytes received and not delivered
  size_t discarded_ = 0;         // bytes, while lingering
  size_t granted_ = 0;           // stream windows beyond their initial size
  int32_t last_peer_stream_ = 0;
  int32_t skipped_from_ = 0;  // ids that the peer skipped last, which closes them
  int32_t skipped_to_ = 0;
  std::array<int32_t, 16> ended_by_peer_{};  // ids of the latest closed streams
  size_t ended_count_ = 0;
  WindowTuner tuner_;
  FloodGuard guard_;
  IntrusiveList<Stream, AllStreams> streams_;
  IntrusiveList<Stream, ReadyStreams> due_;
  std::unique_ptr<loop::Timer> timer_;  // drain, then linger
  std::unique_ptr<loop::Timer> keepalive_;
};

// nghttp2's callbacks and options are the same for all sessions.
const nghttp2_session_callbacks* SessionCallbacks();
const nghttp2_option* SessionOptions();

}  // namespace tulle::http2
