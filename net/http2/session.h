// An HTTP/2 connection of either role: nghttp2's state machine, fed from and flushed to a
// transport. Source: RFC 9113.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/base/buffer.h"
#include "net/base/intrusive_list.h"
#include "net/http2/drain.h"
#include "net/http2/flood_guard.h"
#include "net/http2/keepalive.h"
#include "net/http2/memory.h"
#include "net/http2/options.h"
#include "net/http2/receive_windows.h"
#include "net/http2/session_events.h"
#include "net/http2/stream.h"
#include "net/http2/stream_ids.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http2 {

// In a turn, the bytes read are fed to nghttp2, whose callbacks (session_callbacks.cc) fill
// streams and put them on the ready list; then ready streams are delivered; at the end of the turn
// the resulting frames are collected and written once. Body bytes are moved by reference in both
// directions.
//
// Owner: the connection. Thread: the loop's. All memory comes from the loop's slab. Order: Start,
// then anything; nothing after Close or OnSessionClosed except the destructor.
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

  // For its streams.
  bool is_server() const { return role_ == Role::kServer; }
  bool is_tls() const { return transport_->is_tls(); }
  const http::Limits& limits() const { return options_.limits; }
  loop::Loop& loop() { return loop_; }
  nghttp2_session* nghttp2() { return session_; }
  ReceiveWindows& windows() { return windows_; }
  // nghttp2 has frames to write.
  void FlushLater() { loop_.AtTurnEnd(*this); }
  // The user has sent something on a stream.
  void OnStreamSent() {
    keepalive_.OnStreamSent();
    FlushLater();
  }
  // The stream has events to deliver, or is to be destroyed.
  void Due(Stream& stream);
  // The user gave up a request before it was sent.
  void OnUnsentReleased();
  // nghttp2 accepts no more requests: ids are exhausted, or the connection is ending.
  void OnRequestRefused(Stream& stream);

 private:
  enum class State : uint8_t {
    kConnecting,
    kOpen,
    kEnding,     // stops reading; writes the remaining output
    kLingering,  // our FIN is sent; waits for the peer's, so that a RST does not overtake the
                 // GOAWAY
    kClosed,     // the owner is, or will be, notified
  };

  bool running() const { return state_ == State::kOpen; }
  void Begin();
  void Read();
  void Feed();
  // Null: no effect.
  void CheckFlood(const char* reason);
  // Ends the connection: sends GOAWAY with that code, resets the streams, then closes the
  // transport.
  void Abort(uint32_t error_code, FailureKind kind, const char* reason);
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
  void OnKeepalive();
  void OnLingered();
  Stream& NewStream(int32_t id, http::StreamEvents* events);
  void Destroy(Stream& stream);

  // session_callbacks.cc: nghttp2's events. Results are nghttp2's: 0, or an error.
  static const nghttp2_session_callbacks* Callbacks();
  static const nghttp2_option* NghttpOptions();
  Stream* Find(int32_t id);
  int Result() const { return running() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; }
  int OnBeginFrame(const nghttp2_frame_hd& head);
  int OnBeginHeaders(const nghttp2_frame& frame);
  int OnHeader(int32_t id, nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int RefuseBlock(int32_t id, Verdict verdict);
  int OnFrame(const nghttp2_frame& frame);
  void OnDataFrame(Stream* stream, const nghttp2_frame& frame);
  int OnDataChunk(int32_t id, const char* bytes, size_t size);
  void OnBody(Stream& stream, const char* bytes, size_t size);
  void OnPingAnswer(const uint8_t* payload);
  int OnFrameSent(const nghttp2_frame& frame);
  void OnStreamGone(Stream& stream, uint32_t error_code);
  void CheckStreamId(int32_t id);

  const Role role_;
  State state_ = State::kConnecting;
  bool goaway_due_ = false;  // our own, by Abort
  bool room_changed_ = false;
  bool reported_ = false;
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
  size_t discarded_ = 0;         // bytes, while lingering
  http2::Drain drain_;
  Keepalive keepalive_;
  StreamIds ids_;
  ReceiveWindows windows_;
  FloodGuard guard_;
  IntrusiveList<Stream, AllStreams> streams_;
  IntrusiveList<Stream, ReadyStreams> due_;
  std::unique_ptr<loop::Timer> timer_;  // drain, then linger
  std::unique_ptr<loop::Timer> keepalive_timer_;
};

}  // namespace tulle::http2
