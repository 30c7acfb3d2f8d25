// nghttp2's callbacks of a session. Nothing here runs user code except OnStream, OnHeaders and
// OnInterim; everything else is put on the ready list.
#include <algorithm>
#include <array>
#include <utility>

#include "net/http2/session.h"

namespace tulle::http2 {
namespace {

constexpr size_t kFrameHead = 9;
// The payload of the PING that measures the bandwidth.
constexpr std::array<uint8_t, 8> kProbe = {'p', 'r', 'o', 'b', 'e'};

std::string_view Text(nghttp2_rcbuf* bytes) {
  const nghttp2_vec piece = nghttp2_rcbuf_get_buf(bytes);
  return {reinterpret_cast<const char*>(piece.base), piece.len};
}

bool EndsStream(const nghttp2_frame_hd& head) {
  return (head.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

Stream* Session::Find(int32_t id) {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

int Session::OnBeginFrame(const nghttp2_frame_hd& head) {
  switch (head.type) {
    case NGHTTP2_DATA:
      return Result();  // checked when complete
    case NGHTTP2_HEADERS:
      guard_.OnHeaders();
      CheckStreamId(head.stream_id);
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
    default:
      break;
  }
  guard_.OnPayload();
  return Result();
}

int Session::OnBeginHeaders(const nghttp2_frame& frame) {
  if (!running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (frame.hd.type != NGHTTP2_HEADERS) return 0;
  const int32_t id = frame.hd.stream_id;
  Stream* stream = Find(id);
  if (stream == nullptr) {
    if (!is_server()) return 0;
    stream = &NewStream(id, nullptr);
    nghttp2_session_set_stream_user_data(session_, id, stream);
    stream->Attach(events_.OnSessionStream(*stream));
  }
  stream->BeginBlock(is_server() ? HeaderBlock::Kind::kRequest : HeaderBlock::Kind::kResponse);
  return Result();
}

int Session::OnHeader(int32_t id, nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  if (!running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = Find(id);
  if (stream == nullptr) return 0;
  const Verdict verdict = stream->AddField(Text(name), Text(value), options_.limits);
  return verdict == Verdict::kOk ? 0 : RefuseBlock(id, verdict);
}

int Session::RefuseBlock(int32_t id, Verdict verdict) {
  const bool large = verdict == Verdict::kTooLarge;
  if (large) CheckFlood(guard_.OnLargeHead());
  if (!running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  const FailureKind peer_error =
      is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol;
  const Failure why{large && is_server() ? FailureKind::kHeadersTooLarge : peer_error,
                    large ? "http2.headers_too_large" : "http2.invalid_header"};
  Stream* stream = Find(id);
  if (stream != nullptr && stream->Refuse(why)) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id,
                              large ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Session::OnFrame(const nghttp2_frame& frame) {
  if (!running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = frame.hd.stream_id == 0 ? nullptr : Find(frame.hd.stream_id);
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (stream == nullptr) break;
      if (const Verdict verdict = stream->EndBlock(EndsStream(frame.hd)); verdict != Verdict::kOk)
        RefuseBlock(frame.hd.stream_id, verdict);
      break;
    case NGHTTP2_DATA:
      OnDataFrame(stream, frame);
      break;
    case NGHTTP2_RST_STREAM:
      if (stream != nullptr) stream->OnResetReceived();
      break;
    case NGHTTP2_SETTINGS:
      room_changed_ = true;
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) OnPingAnswer(frame.ping.opaque_data);
      break;
    case NGHTTP2_GOAWAY:
      drain_.OnPeerGoaway();
      break;
    default:
      break;
  }
  return Result();
}

void Session::OnDataFrame(Stream* stream, const nghttp2_frame& frame) {
  const bool end = EndsStream(frame.hd);
  if (!end && frame.hd.length == frame.data.padlen) CheckFlood(guard_.OnEmptyFrame());
  if (stream != nullptr && end) stream->OnEndReceived();
}

int Session::OnDataChunk(int32_t id, const char* bytes, size_t size) {
  if (!running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (size > 0) guard_.OnPayload();
  nghttp2_session_consume_connection(session_, size);
  if (windows_.OnReceived(size)) nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kProbe.data());
  Stream* stream = Find(id);
  if (stream != nullptr && stream->wants_body()) OnBody(*stream, bytes, size);
  return Result();
}

void Session::OnBody(Stream& stream, const char* bytes, size_t size) {
  if (size == 0 || stream.ReceiveCopy({bytes, size})) return;
  // The bytes are in in_'s front piece: everything before them has been read.
  const size_t before = static_cast<size_t>(bytes - piece_) - taken_;
  in_.Drain(before);
  stream.Receive(in_, size);
  taken_ += before + size;
}

void Session::OnPingAnswer(const uint8_t* payload) {
  if (std::equal(kProbe.begin(), kProbe.end(), payload)) {
    windows_.OnProbeAnswered();
    const size_t wanted = std::max<size_t>(options_.connection_window, 2 * windows_.largest());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<int32_t>(wanted));
  } else if (is_server() && drain_.IsAnswer(payload)) {
    EndDrain();
  }
}

int Session::OnFrameSent(const nghttp2_frame& frame) {
  if (!running()) return 0;
  Stream* stream = frame.hd.stream_id == 0 ? nullptr : Find(frame.hd.stream_id);
  if (frame.hd.type == NGHTTP2_RST_STREAM) {
    const bool ours = stream != nullptr && stream->lifetime().reset_by_us();
    if (!ours && frame.rst_stream.error_code != NGHTTP2_NO_ERROR)
      CheckFlood(guard_.OnStreamAborted({}));
    return 0;
  }
  if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR && !why_) {
    why_ = {is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol,
            "http2.protocol_error"};
  }
  if (frame.hd.type == NGHTTP2_DATA) guard_.OnDataSent();
  if (stream != nullptr) stream->OnFrameSent(frame.hd.length + kFrameHead, EndsStream(frame.hd));
  return 0;
}

void Session::OnStreamGone(Stream& stream, uint32_t error_code) {
  const bool reset = stream.lifetime().reset_by_peer();
  const bool aborted = is_server() && reset && !stream.sending().sent();
  if (reset || stream.receiving().ended()) ids_.OnEnded(stream.id());
  --active_;
  room_changed_ = true;
  const bool complete = stream.complete(is_server());
  stream.Close(complete ? Failure{} : stream.CloseReason(error_code, drain_.peer_leaving()));
  if (aborted) CheckFlood(guard_.OnStreamAborted(loop_.Now() - stream.opened()));
}

void Session::CheckStreamId(int32_t id) {
  switch (ids_.OnHeaders(id)) {
    case StreamIds::Use::kOpens:
      return guard_.OnStreamOpened();
    case StreamIds::Use::kClosed:
      return Abort(NGHTTP2_STREAM_CLOSED, FailureKind::kDownstreamProtocol, "http2.stream_closed");
    case StreamIds::Use::kSkipped:
      return Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol,
                   "http2.stream_id_too_low");
    case StreamIds::Use::kKnown:
      return;
  }
}

// The same for all sessions; `user` is the session.
const nghttp2_session_callbacks* Session::Callbacks() {
  static constexpr auto kSession = [](void* user) -> Session& {
    return *static_cast<Session*>(user);
  };
  using Ng = nghttp2_session;
  using Frame = nghttp2_frame;
  using Text = nghttp2_rcbuf;
  static const nghttp2_session_callbacks* const kCallbacks = [] {
    nghttp2_session_callbacks* all = nullptr;
    nghttp2_session_callbacks_new(&all);
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        all, [](Ng*, const nghttp2_frame_hd* head, void* user) {
          return kSession(user).OnBeginFrame(*head);
        });
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        all,
        [](Ng*, const Frame* frame, void* user) { return kSession(user).OnBeginHeaders(*frame); });
    nghttp2_session_callbacks_set_on_header_callback2(
        all, [](Ng*, const Frame* frame, Text* name, Text* value, uint8_t, void* user) {
          return kSession(user).OnHeader(frame->hd.stream_id, name, value);
        });
    // nghttp2 would drop the field and continue; a peer that sends such fields is probably
    // attacking.
    nghttp2_session_callbacks_set_on_invalid_header_callback2(
        all, [](Ng*, const Frame* frame, Text*, Text*, uint8_t, void* user) {
          return kSession(user).RefuseBlock(frame->hd.stream_id, Verdict::kMalformed);
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        all, [](Ng*, const Frame* frame, void* user) { return kSession(user).OnFrame(*frame); });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        all, [](Ng*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
          return kSession(user).OnDataChunk(id, reinterpret_cast<const char*>(bytes), size);
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        all, [](Ng*, int32_t id, uint32_t error_code, void* user) {
          Stream* stream = kSession(user).Find(id);
          if (stream != nullptr && !stream->lifetime().closed())
            kSession(user).OnStreamGone(*stream, error_code);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        all,
        [](Ng*, const Frame* frame, void* user) { return kSession(user).OnFrameSent(*frame); });
    nghttp2_session_callbacks_set_send_data_callback(
        all,
        [](Ng*, Frame*, const uint8_t* head, size_t size, nghttp2_data_source* source, void* user) {
          static_cast<Stream*>(source->ptr)
              ->WriteData(kSession(user).out_, {reinterpret_cast<const char*>(head), kFrameHead},
                          size);
          return 0;
        });
    return all;
  }();
  return kCallbacks;
}

const nghttp2_option* Session::NghttpOptions() {
  static const nghttp2_option* const kOptions = [] {
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, FloodGuard::kQueuedFrames);
    nghttp2_option_set_max_send_header_block_length(option, 1024 * 1024);
    // nghttp2 counts pieces, of which a fragmented frame may have ten; FloodGuard counts frames.
    nghttp2_option_set_max_continuations(option, 16 * FloodGuard::kContinuations);
    // nghttp2 uses the system's clock, FloodGuard the loop's.
    nghttp2_option_set_stream_reset_rate_limit(option, 1u << 30, 1u << 30);
    return option;
  }();
  return kOptions;
}

}  // namespace tulle::http2
