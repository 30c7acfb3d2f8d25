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

// What a session tells the connection that owns it; never from inside a call on the session.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  // Client: the transport is ready.
  virtual void OnSessionReady() = 0;
  // Server: a request begins. Null: refused.
  virtual http::StreamEvents* OnSessionStream(http::Stream& stream) = 0;
  // Client: StreamRoom() grew.
  virtual void OnSessionRoom() = 0;
  // The last event.
  virtual void OnSessionClosed(Failure why) = 0;
};

// An HTTP/2 connection of either role: nghttp2's state machine, fed from and flushed to a
// transport.
//
// A turn: bytes read are fed to nghttp2, whose callbacks (session_callbacks.cc) fill streams and
// put them on the due list; then what is due is delivered; at the end of the turn the frames that
// all this caused are collected and written once. Body bytes are moved by reference both ways.
//
// Owner: the connection. Thread: the loop's. Everything is drawn from the loop's slab.
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
    kEnding,     // nothing is read any more; what is to be written is written
    kLingering,  // our FIN is out; waits for the peer's, lest our RST overtake the GOAWAY
    kClosed,     // the owner is to be told, or knows
  };

  bool running() const { return state_ == State::kOpen; }
  bool is_server() const { return role_ == Role::kServer; }
  void Begin();
  void Read();
  void Feed();
  // Null is fine: nothing happens.
  void CheckFlood(const char* reason);
  // Ends the connection: GOAWAY with that code, streams reset, transport closed after that.
  void Abort(uint32_t error_code, FailureKind kind, const char* reason);
  void WriteGoaway();
  void ResetAllStreams(Failure why);
  void EndIfRefusedMemory();
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
  // HEADERS for a stream that the peer has ended, or passed over: nghttp2 forgets those. (It skips
  // DATA for them without a word.)
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
  bool heard_ = false;           // something came since the last keepalive tick
  bool keepalive_sent_ = false;  // and its answer is awaited
  bool unanswered_ = false;      // a stream has spoken since the peer was heard
  bool feeding_ = false;
  uint32_t abort_code_ = 0;
  Failure why_;

  loop::Loop& loop_;
  SessionEvents& events_;
  const Options options_;
  std::unique_ptr<Transport> transport_;
  SessionMemory memory_;
  nghttp2_session* session_ = nullptr;  // null until Begin, and where memory was refused
  Buffer in_;
  Buffer out_;
  const char* piece_ = nullptr;  // where in_'s front was when nghttp2 got it
  size_t taken_ = 0;             // of that piece, moved to streams already
  size_t active_ = 0;            // streams that nghttp2 has, or will get
  size_t held_ = 0;              // body bytes received and not delivered
  size_t discarded_ = 0;         // bytes, while lingering
  size_t granted_ = 0;           // windows of streams beyond what they started with
  int32_t last_peer_stream_ = 0;
  int32_t skipped_from_ = 0;  // ids that the peer passed over last, which thereby are closed
  int32_t skipped_to_ = 0;
  std::array<int32_t, 16> ended_by_peer_{};  // ids of closed streams, the latest
  size_t ended_count_ = 0;
  WindowTuner tuner_;
  FloodGuard guard_;
  IntrusiveList<Stream, AllStreams> streams_;
  IntrusiveList<Stream, DueStreams> due_;
  std::unique_ptr<loop::Timer> timer_;  // drain, then linger
  std::unique_ptr<loop::Timer> keepalive_;
};

// nghttp2's callbacks and options are the same for all sessions.
const nghttp2_session_callbacks* SessionCallbacks();
const nghttp2_option* SessionOptions();

}  // namespace tulle::http2
