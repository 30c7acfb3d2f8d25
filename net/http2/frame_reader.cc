#include "net/http2/frame_reader.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace tulle::http2 {
namespace {

// The payload of the PING that measures the bandwidth.
constexpr std::array<uint8_t, 8> kProbe = {'p', 'r', 'o', 'b', 'e'};

std::string_view Text(nghttp2_rcbuf* bytes) {
  const nghttp2_vec piece = nghttp2_rcbuf_get_buf(bytes);
  return {reinterpret_cast<const char*>(piece.base), piece.len};
}

bool HasEndStream(const nghttp2_frame_hd& head) {
  return (head.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

void FrameReader::Feed() {
  while (closing_.open() && !in_.empty()) FeedPiece();
  link_.FlushLater();
}

// The input up to the next DATA frame of which the frames before it decide whether it is an error:
// one of a forgotten stream, or one after an RST_STREAM.
std::string_view FrameReader::NextPiece() {
  const std::string_view piece = in_.Front();
  const auto check = [this] {
    const int32_t id = frame_scan_.stream();
    if (streams_.Find(id) == nullptr) CheckClosedStream(id, frame_scan_.ends_stream());
  };
  size_t at = 0;
  frame_scan_.Begin();
  if (std::exchange(at_data_, false)) {
    at = FrameScan::kHead;
    check();
  }
  while (frame_scan_.Next(piece, at)) {
    const int32_t id = frame_scan_.stream();
    const bool closed = ids_.MayBeClosed(id) && streams_.Find(id) == nullptr;
    if (!closed && !frame_scan_.after_reset()) continue;
    if (at > FrameScan::kHead) {
      at_data_ = true;
      return piece.substr(0, at - FrameScan::kHead);
    }
    check();
  }
  return piece;
}

void FrameReader::FeedPiece() {
  const std::string_view piece = NextPiece();
  if (!closing_.open()) return;
  piece_ = piece.data();
  taken_ = 0;
  const ssize_t used = nghttp2_session_mem_recv(
      link_.nghttp2, reinterpret_cast<const uint8_t*>(piece.data()), piece.size());
  in_.Drain(piece.size() - taken_);
  if (link_.memory.failed()) {
    closing_.OnMemoryShort();
  } else if (used == NGHTTP2_ERR_FLOODED) {
    CheckFlood("http2.flood");
  } else if (used < 0) {
    closing_.Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol,
                   "http2.invalid_frames");
  } else {
    CheckFlood(guard_.OnQueued(nghttp2_session_get_outbound_queue_size(link_.nghttp2)));
  }
}

void FrameReader::CheckFlood(const char* reason) {
  if (reason == nullptr) return;
  closing_.Abort(NGHTTP2_ENHANCE_YOUR_CALM, FailureKind::kDownstreamProtocol, reason);
}

int FrameReader::OnBeginFrame(const nghttp2_frame_hd& head) {
  switch (head.type) {
    case NGHTTP2_DATA:
      return Result();  // checked when complete
    case NGHTTP2_HEADERS:
      guard_.OnHeaders();
      guard_.OnWork();
      CheckStreamId(head);
      break;
    case NGHTTP2_PRIORITY:
      CheckFlood(guard_.OnPriority());
      break;
    case NGHTTP2_WINDOW_UPDATE:
      CheckFlood(guard_.OnWindowUpdate());
      break;
    case NGHTTP2_CONTINUATION:
      CheckFlood(guard_.OnContinuation());
      if (head.length == 0) CheckFlood(guard_.OnEmptyFrame());
      return Result();
    case NGHTTP2_RST_STREAM:
      if (streams_.Find(head.stream_id) == nullptr) ids_.OnEnded(head.stream_id);
      CheckFlood(guard_.OnIdleFrame(link_.loop.Now()));
      break;
    default:
      CheckFlood(guard_.OnIdleFrame(link_.loop.Now()));
      break;
  }
  guard_.OnPayload();
  return Result();
}

void FrameReader::CheckStreamId(const nghttp2_frame_hd& head) {
  switch (ids_.OnHeaders(head.stream_id)) {
    case StreamIds::Use::kOpens:
      if (link_.drain.announced()) CheckFlood(guard_.OnStreamIgnored());
      return guard_.OnStreamOpened();
    case StreamIds::Use::kSkipped:
      return closing_.Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol,
                            "http2.stream_id_too_low");
    case StreamIds::Use::kClosed:
    case StreamIds::Use::kKnown:
      if (streams_.Find(head.stream_id) == nullptr)
        CheckClosedStream(head.stream_id, HasEndStream(head));
      return;
  }
}

// HEADERS or DATA for a stream that nghttp2 has forgotten. It is ignored if it may have crossed our
// RST_STREAM.
void FrameReader::CheckClosedStream(int32_t id, bool end) {
  if (ids_.HasEnded(id)) {
    closing_.Abort(NGHTTP2_STREAM_CLOSED, FailureKind::kDownstreamProtocol, "http2.stream_closed");
  } else if (end) {
    ids_.OnEnded(id);
  }
}

int FrameReader::OnBeginHeaders(const nghttp2_frame& frame) {
  if (!closing_.open()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (frame.hd.type != NGHTTP2_HEADERS) return 0;
  const int32_t id = frame.hd.stream_id;
  Stream* stream = streams_.Find(id);
  if (stream == nullptr) {
    if (!link_.is_server()) return 0;
    stream = &streams_.Create(id, nullptr);
    nghttp2_session_set_stream_user_data(link_.nghttp2, id, stream);
    stream->Attach(events_.OnSessionStream(*stream));
  }
  stream->BeginBlock(link_.is_server() ? HeaderBlock::Kind::kRequest
                                       : HeaderBlock::Kind::kResponse);
  return Result();
}

int FrameReader::OnHeader(int32_t id, nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  if (!closing_.open()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = streams_.Find(id);
  if (stream == nullptr) return 0;
  const Verdict verdict =
      stream->incoming().AddField(Text(name), Text(value), link_.options.limits);
  return verdict == Verdict::kOk ? 0 : RefuseBlock(id, verdict);
}

int FrameReader::RefuseBlock(int32_t id, Verdict verdict) {
  const bool large = verdict == Verdict::kTooLarge;
  if (large) EndAbuse(guard_.OnLargeHead(), std::max<size_t>(streams_.active(), 1) - 1);
  if (!closing_.open()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  const FailureKind peer_error =
      link_.is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol;
  const Failure why{large && link_.is_server() ? FailureKind::kHeadersTooLarge : peer_error,
                    large ? "http2.headers_too_large" : "http2.invalid_header"};
  Stream* stream = streams_.Find(id);
  if (stream != nullptr && stream->incoming().Refuse(why)) {
    nghttp2_submit_rst_stream(link_.nghttp2, NGHTTP2_FLAG_NONE, id,
                              large ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int FrameReader::OnFrame(const nghttp2_frame& frame) {
  if (!closing_.open()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = streams_.Find(frame.hd.stream_id);
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (stream == nullptr) break;
      if (const Verdict verdict = stream->EndBlock(HasEndStream(frame.hd)); verdict != Verdict::kOk)
        RefuseBlock(frame.hd.stream_id, verdict);
      break;
    case NGHTTP2_DATA:
      OnDataFrame(stream, frame);
      break;
    case NGHTTP2_RST_STREAM:
      if (stream != nullptr) stream->lifetime().OnResetByPeer();
      break;
    case NGHTTP2_SETTINGS:
      streams_.OnRoomChanged();
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) OnPingAnswer(frame.ping.opaque_data);
      break;
    case NGHTTP2_GOAWAY:
      link_.drain.OnPeerGoaway();
      break;
    default:
      break;
  }
  return Result();
}

void FrameReader::OnDataFrame(Stream* stream, const nghttp2_frame& frame) {
  const bool end = HasEndStream(frame.hd);
  if (!end && frame.hd.length == frame.data.padlen) CheckFlood(guard_.OnEmptyFrame());
  if (stream == nullptr || !end) return;
  stream->incoming().OnEnd();
  if (stream->attached()) streams_.Due(*stream);
}

int FrameReader::OnDataChunk(int32_t id, const char* bytes, size_t size) {
  if (!closing_.open()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (size > 0) {
    guard_.OnPayload();
    guard_.OnWork();
  }
  nghttp2_session_consume_connection(link_.nghttp2, size);
  if (link_.windows.OnReceived(size))
    nghttp2_submit_ping(link_.nghttp2, NGHTTP2_FLAG_NONE, kProbe.data());
  Stream* stream = streams_.Find(id);
  if (stream != nullptr && size > 0 && stream->attached() && !stream->incoming().refused())
    OnBody(*stream, bytes, size);
  return Result();
}

void FrameReader::OnBody(Stream& stream, const char* bytes, size_t size) {
  IncomingMessage& message = stream.incoming();
  if (!message.Copy({bytes, size}, link_.windows)) {
    // The bytes are in in_'s front piece: everything before them has been read.
    const size_t before = static_cast<size_t>(bytes - piece_) - taken_;
    in_.Drain(before);
    message.Move(in_, size, link_.windows);
    taken_ += before + size;
  }
  streams_.Due(stream);
}

void FrameReader::OnPingAnswer(const uint8_t* payload) {
  if (std::equal(kProbe.begin(), kProbe.end(), payload)) {
    link_.windows.OnProbeAnswered();
    const size_t wanted =
        std::max<size_t>(link_.options.connection_window, 2 * link_.windows.largest());
    nghttp2_session_set_local_window_size(link_.nghttp2, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<int32_t>(wanted));
  } else if (link_.is_server() && link_.drain.IsAnswer(payload)) {
    closing_.EndDrain();
  }
}

void FrameReader::OnStreamGone(int32_t id, uint32_t error_code) {
  Stream* stream = streams_.Find(id);
  if (stream == nullptr || stream->lifetime().closed()) return;
  const bool reset = stream->lifetime().reset_by_peer();
  const bool aborted = link_.is_server() && reset && !stream->outgoing().state().sent();
  const bool cancelled = stream->lifetime().reset_by_us();
  const loop::Duration age = link_.loop.Now() - stream->opened();
  if (reset || stream->incoming().state().ended()) ids_.OnEnded(id);
  streams_.OnGone(*stream, error_code);
  if (!link_.is_server()) {
    if (guard_.OnOwnStreamEnded(cancelled, age)) closing_.Drain();
    return;
  }
  if (!aborted) return;
  EndAbuse(guard_.OnStreamAborted(age), streams_.active());
  if (guard_.WantsDrain()) closing_.Drain();
}

// What one of many users behind the peer may cause. While there are streams of others the
// connection only takes no more, and further streams are counted as such.
void FrameReader::EndAbuse(const char* reason, size_t others) {
  if (reason == nullptr || link_.drain.announced()) return;
  if (others == 0) return CheckFlood(reason);
  closing_.EndDrain();
}

}  // namespace tulle::http2
