// The input of a session: bytes to nghttp2, and its frames and header fields to the streams.
// Source: RFC 9113 4 to 6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/buffer.h"
#include "net/http2/closing.h"
#include "net/http2/flood_guard.h"
#include "net/http2/frame_scan.h"
#include "net/http2/link.h"
#include "net/http2/session_events.h"
#include "net/http2/stream_ids.h"
#include "net/http2/streams.h"

namespace tulle::http2 {

// Nothing here runs code of users except OnSessionStream, OnHeaders and OnInterim; everything else
// is put on the ready list. Body bytes are moved to their streams by reference.
//
// Owner: a session. Thread: the session's. Order: bytes are appended to in(), then Feed. The other
// methods are nghttp2's callbacks during Feed, except OnStreamGone, which may also come while
// frames are written. Results are nghttp2's: 0, or an error.
class FrameReader {
 public:
  FrameReader(Link& link, Streams& streams, Closing& closing, FloodGuard& guard,
              SessionEvents& events)
      : link_(link),
        streams_(streams),
        closing_(closing),
        guard_(guard),
        events_(events),
        in_(link.loop.slab()),
        frame_scan_(link.is_server()),
        ids_(link.is_server()) {}

  Buffer& in() { return in_; }
  // Passes in() to nghttp2 as long as the session is open.
  void Feed();

  int OnBeginFrame(const nghttp2_frame_hd& head);
  int OnBeginHeaders(const nghttp2_frame& frame);
  int OnHeader(int32_t id, nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  int RefuseBlock(int32_t id, Verdict verdict);
  int OnFrame(const nghttp2_frame& frame);
  int OnDataChunk(int32_t id, const char* bytes, size_t size);
  void OnStreamGone(int32_t id, uint32_t error_code);

 private:
  void FeedPiece();
  int Result() const { return closing_.open() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; }
  // Null: no effect.
  void CheckFlood(const char* reason);
  void EndAbuse(const char* reason, size_t others);
  void CheckStreamId(const nghttp2_frame_hd& head);
  void CheckClosedStream(int32_t id, bool end);
  std::string_view NextPiece();
  void OnDataFrame(Stream* stream, const nghttp2_frame& frame);
  void OnBody(Stream& stream, const char* bytes, size_t size);
  void OnPingAnswer(const uint8_t* payload);

  Link& link_;
  Streams& streams_;
  Closing& closing_;
  FloodGuard& guard_;
  SessionEvents& events_;
  Buffer in_;
  const char* piece_ = nullptr;  // in_'s front position when it was passed to nghttp2
  size_t taken_ = 0;             // of that piece, already moved to streams
  FrameScan frame_scan_;
  bool at_data_ = false;  // in_ begins with a DATA head that frame_scan_ has read
  StreamIds ids_;
};

}  // namespace tulle::http2
