// What the parts of one session share: its role, its loop, nghttp2's session, and the small parts
// that more than one of them uses.
#pragma once

#include <nghttp2/nghttp2.h>

#include "net/http2/drain.h"
#include "net/http2/keepalive.h"
#include "net/http2/memory.h"
#include "net/http2/options.h"
#include "net/http2/receive_windows.h"
#include "net/http2/session_events.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

// Owner: a session; outlives its parts. Thread: the session's.
struct Link {
  const Role role;
  loop::Loop& loop;
  loop::TurnEnd& session;
  const Options options;

  SessionMemory memory{loop.slab()};
  nghttp2_session* nghttp2 = nullptr;  // null until the session begins, and if allocation failed
  bool secure = false;                 // TLS
  http2::Drain drain{};
  Keepalive keepalive{options};
  ReceiveWindows windows{options.limits.stream_window};

  bool is_server() const { return role == Role::kServer; }
  // nghttp2 has frames to write, or streams have events to deliver.
  void FlushLater() { loop.AtTurnEnd(session); }
};

}  // namespace tulle::http2
