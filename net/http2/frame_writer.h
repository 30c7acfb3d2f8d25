// The output of a session: nghttp2's frames and the bodies of the streams, collected and written
// once per turn.
#pragma once

#include <cstddef>
#include <string_view>

#include "net/base/buffer.h"
#include "net/http2/closing.h"
#include "net/http2/flood_guard.h"
#include "net/http2/link.h"
#include "net/http2/streams.h"
#include "net/socket/transport.h"

namespace tulle::http2 {

// Owner: a session. Thread: the session's. OnFrameSent and WriteBody are nghttp2's callbacks during
// Flush.
class FrameWriter {
 public:
  FrameWriter(Link& link, Streams& streams, Closing& closing, FloodGuard& guard)
      : link_(link), streams_(streams), closing_(closing), guard_(guard), out_(link.loop.slab()) {}

  // Moves what nghttp2 and the streams have to send to the output.
  void Collect();
  // Collects, and writes what the transport takes now.
  void Flush(Transport& transport);
  // Collected bytes that the transport has not taken.
  bool unsent() const { return !out_.empty(); }
  void Drop() { out_.Clear(); }

  void OnFrameSent(const nghttp2_frame& frame);
  // A DATA frame with `size` bytes of the stream's body.
  void WriteBody(Stream& stream, const uint8_t* frame_head, size_t size);

 private:
  Link& link_;
  Streams& streams_;
  Closing& closing_;
  FloodGuard& guard_;
  Buffer out_;
};

}  // namespace tulle::http2
