#pragma once

#include <cstdint>

#include "net/base/failure.h"
#include "net/http/stream.h"

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

}  // namespace tulle::http2
