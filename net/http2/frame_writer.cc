#include "net/http2/frame_writer.h"

namespace tulle::http2 {
namespace {

constexpr size_t kFrameHead = 9;
// Collected before a write; the rest waits in nghttp2 and in the streams, where it can be
// cancelled.
constexpr size_t kCollectSize = 64 * 1024;

}  // namespace

void FrameWriter::Flush(Transport& transport) {
  while (closing_.open() || closing_.state() == Closing::State::kEnding) {
    if (closing_.open()) Collect();
    closing_.WriteGoaway(out_);
    if (out_.empty()) return;
    transport.Write(out_);
    if (!out_.empty()) return;
  }
}

void FrameWriter::Collect() {
  while (out_.size() < kCollectSize) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(link_.nghttp2, &bytes);
    if (size < 0) {
      return closing_.Abort(NGHTTP2_INTERNAL_ERROR, FailureKind::kInternal, "http2.send_failed");
    }
    if (size == 0) break;
    out_.Append({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
    link_.memory.OnFramesCopied();
    if (!closing_.open()) return;
  }
  if (nghttp2_session_want_read(link_.nghttp2) == 0) closing_.End();
}

void FrameWriter::OnFrameSent(const nghttp2_frame& frame) {
  if (!closing_.open()) return;
  Stream* stream = streams_.Find(frame.hd.stream_id);
  if (frame.hd.type == NGHTTP2_RST_STREAM) {
    const bool ours = stream != nullptr && stream->lifetime().reset_by_us();
    if (ours || frame.rst_stream.error_code == NGHTTP2_NO_ERROR) return;
    if (const char* reason = guard_.OnStreamAborted({}); reason != nullptr)
      closing_.Abort(NGHTTP2_ENHANCE_YOUR_CALM, FailureKind::kDownstreamProtocol, reason);
    return;
  }
  if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR)
    closing_.OnErrorSent();
  if (frame.hd.type == NGHTTP2_DATA) guard_.OnDataSent();
  if (stream == nullptr) return;
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  stream->OnFrameSent(frame.hd.length + kFrameHead, end);
}

void FrameWriter::WriteBody(Stream& stream, const uint8_t* frame_head, size_t size) {
  OutgoingMessage& message = stream.outgoing();
  message.Write(out_, {reinterpret_cast<const char*>(frame_head), kFrameHead}, size);
  if (message.room_wanted()) streams_.Due(stream);
}

}  // namespace tulle::http2
