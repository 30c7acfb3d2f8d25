// An HTTP/2 connection of either role: nghttp2's state machine, fed from and flushed to a
// transport. Source: RFC 9113.
#pragma once

#include <cstddef>
#include <memory>

#include "net/http2/closing.h"
#include "net/http2/flood_guard.h"
#include "net/http2/frame_reader.h"
#include "net/http2/frame_writer.h"
#include "net/http2/link.h"
#include "net/http2/nghttp2_setup.h"
#include "net/http2/session_events.h"
#include "net/http2/streams.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::http2 {

// In a turn, the bytes read are fed to nghttp2, whose callbacks (frame_reader.h) fill streams and
// put them on the ready list; then ready streams are delivered; at the end of the turn the
// resulting frames are collected and written once. Body bytes are moved by reference in both
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
  void Drain() { closing_.Drain(); }
  void Close();
  Stream& Open(http::StreamEvents& events);
  size_t StreamRoom() const;
  size_t active_streams() const { return streams_.active(); }
  Transport& transport() { return *transport_; }

  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override { link_.FlushLater(); }
  void OnTransportFailed(Failure failure) override { closing_.OnLost(failure); }
  void OnTurnEnd() override;

 private:
  void Begin();
  void Read();
  void DeliverDue();
  void OnKeepalive();
  void AwaitIdle();

  Link link_;
  SessionEvents& events_;
  std::unique_ptr<Transport> transport_;
  FloodGuard guard_;
  Streams streams_;
  Closing closing_;
  FrameReader reader_;
  FrameWriter writer_;
  CallbackTargets targets_;
  std::unique_ptr<loop::Timer> keepalive_timer_;
  std::unique_ptr<loop::Timer> idle_timer_;  // to return memory
  bool awaiting_idle_ = false;               // idle_timer_ runs
};

}  // namespace tulle::http2
