// nghttp2's callbacks of a session. Nothing here runs user code except OnStream, OnHeaders and
// OnInterim; everything else is put on the ready list.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "net/http2/session.h"

namespace tulle::http2 {
namespace {

// Bodies up to this size are copied to the previous block rather than linked: many tiny DATA frames
// must not cost more memory than the window they use.
constexpr size_t kCopiedBody = 1024;
constexpr size_t kFrameHead = 9;
constexpr size_t kMaxGranted = 2 * WindowTuner::kHeldBytes;
constexpr std::array<uint8_t, 8> kProbe = {'p', 'r', 'o', 'b', 'e'};

}  // namespace

struct Callbacks {
  static Session& Of(void* user) { return *static_cast<Session*>(user); }
  static Stream* Find(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static int Result(const Session& session) {
    return session.running() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* user);
  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                      nghttp2_rcbuf* value, uint8_t, void* user);
  static int OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf*,
                             nghttp2_rcbuf*, uint8_t, void* user);
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static void OnHeadersFrame(Session& self, Stream& stream, bool end);
  static void OnDataFrame(Session& self, Stream* stream, const nghttp2_frame& frame);
  static int OnDataChunk(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                         void* user);
  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t error_code, void* user);
  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                      nghttp2_data_source* source, void* user);
  static int RefuseBlock(Session& self, int32_t id, Verdict verdict);
};

int Callbacks::OnBeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
  Session& self = Of(user);
  switch (head->type) {
    case NGHTTP2_DATA:
      return Result(self);  // checked when complete
    case NGHTTP2_HEADERS:
      self.guard_.OnHeaders();
      self.CheckStreamId(*head);
      break;
    case NGHTTP2_PRIORITY:
      self.CheckFlood(self.guard_.OnPriority());
      break;
    case NGHTTP2_WINDOW_UPDATE:
      self.CheckFlood(self.guard_.OnWindowUpdate());
      break;
    case NGHTTP2_CONTINUATION:
      self.CheckFlood(self.guard_.OnContinuation());
      if (head->length == 0) self.CheckFlood(self.guard_.OnEmptyFrame());
      return Result(self);
    default:
      break;
  }
  self.guard_.OnPayload();
  return Result(self);
}

int Callbacks::OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Session& self = Of(user);
  if (!self.running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  const int32_t id = frame->hd.stream_id;
  Stream* stream = Find(session, id);
  if (stream == nullptr) {
    if (!self.is_server()) return 0;
    stream = self.NewStream(nullptr);
    stream->id_ = id;
    nghttp2_session_set_stream_user_data(session, id, stream);
    stream->events_ = self.events_.OnSessionStream(*stream);
    if (!stream->attached() && self.running() && !stream->reset_by_user_) {
      stream->Release(NGHTTP2_REFUSED_STREAM);
    }
  }
  if (!stream->attached()) return Result(self);
  using Kind = HeaderBlock::Kind;
  const Kind first = self.is_server() ? Kind::kRequest : Kind::kResponse;
  stream->block_.Begin(stream->head_received_ ? Kind::kTrailers : first, stream->events_->arena());
  return Result(self);
}

int Callbacks::OnHeader(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                        nghttp2_rcbuf* value, uint8_t, void* user) {
  Session& self = Of(user);
  if (!self.running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = Find(session, frame->hd.stream_id);
  if (stream == nullptr || !stream->attached() || !stream->block_.open()) return 0;
  const auto text = [](nghttp2_rcbuf* bytes) {
    const nghttp2_vec piece = nghttp2_rcbuf_get_buf(bytes);
    return std::string_view(reinterpret_cast<const char*>(piece.base), piece.len);
  };
  const Verdict verdict = stream->block_.Add(text(name), text(value), self.options_.limits);
  return verdict == Verdict::kOk ? 0 : RefuseBlock(self, frame->hd.stream_id, verdict);
}

int Callbacks::OnInvalidHeader(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf*,
                               nghttp2_rcbuf*, uint8_t, void* user) {
  // nghttp2 would drop the field and continue; a peer that sends such fields is probably attacking.
  return RefuseBlock(Of(user), frame->hd.stream_id, Verdict::kMalformed);
}

int Callbacks::RefuseBlock(Session& self, int32_t id, Verdict verdict) {
  Stream* stream = Find(self.session_, id);
  const bool large = verdict == Verdict::kTooLarge;
  if (large) self.CheckFlood(self.guard_.OnLargeHead());
  if (!self.running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (stream != nullptr && !stream->refused_) {
    const auto peer_error =
        self.is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol;
    stream->refused_ = {large && self.is_server() ? FailureKind::kHeadersTooLarge : peer_error,
                        large ? "http2.headers_too_large" : "http2.invalid_header"};
    nghttp2_submit_rst_stream(self.session_, NGHTTP2_FLAG_NONE, id,
                              large ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Callbacks::OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Session& self = Of(user);
  if (!self.running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  Stream* stream = frame->hd.stream_id == 0 ? nullptr : Find(session, frame->hd.stream_id);
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (stream != nullptr && stream->block_.open()) OnHeadersFrame(self, *stream, end);
      break;
    case NGHTTP2_DATA:
      OnDataFrame(self, stream, *frame);
      break;
    case NGHTTP2_RST_STREAM:
      if (stream != nullptr) stream->reset_by_peer_ = true;
      break;
    case NGHTTP2_SETTINGS:
      self.room_changed_ = true;
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.OnPingAnswer(frame->ping.opaque_data);
      break;
    case NGHTTP2_GOAWAY:
      self.goaway_received_ = true;
      break;
    default:
      break;
  }
  return Result(self);
}

void Callbacks::OnHeadersFrame(Session& self, Stream& stream, bool end) {
  const Verdict verdict = stream.block_.Finish();
  if (verdict != Verdict::kOk) {
    RefuseBlock(self, stream.id_, verdict);
    return;
  }
  if (!stream.attached()) return;
  if (end) stream.receive_ended_ = true;
  if (stream.block_.kind() == HeaderBlock::Kind::kTrailers) {
    stream.trailers_received_ = stream.block_.trailers();
    return self.Due(stream);
  }
  http::Head& head = *stream.block_.head();
  if (head.status >= 100 && head.status < 200 && !self.is_server()) {
    if (++stream.interim_responses_ > self.options_.limits.interim_responses) {
      RefuseBlock(self, stream.id_, Verdict::kTooLarge);
      return;
    }
    return stream.events_->OnInterim(head);
  }
  stream.head_received_ = true;
  stream.end_delivered_ = end;
  stream.events_->OnHeaders(head, end);
}

void Callbacks::OnDataFrame(Session& self, Stream* stream, const nghttp2_frame& frame) {
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!end && frame.hd.length == frame.data.padlen) self.CheckFlood(self.guard_.OnEmptyFrame());
  if (stream == nullptr || !end) return;
  stream->receive_ended_ = true;
  if (stream->attached()) self.Due(*stream);
}

int Callbacks::OnDataChunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                           size_t size, void* user) {
  Session& self = Of(user);
  if (!self.running()) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (size > 0) self.guard_.OnPayload();
  nghttp2_session_consume_connection(session, size);
  self.tuner_.OnReceived(size);
  if (self.tuner_.WantsProbe()) {
    self.tuner_.OnProbeSent();
    nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, kProbe.data());
  }
  Stream* stream = Find(session, id);
  if (stream != nullptr && stream->attached() && !stream->refused_)
    self.OnBody(*stream, reinterpret_cast<const char*>(bytes), size);
  return Result(self);
}

int Callbacks::OnStreamClose(nghttp2_session* session, int32_t id, uint32_t error_code,
                             void* user) {
  Stream* stream = Find(session, id);
  if (stream != nullptr && !stream->closed_) Of(user).OnStreamGone(*stream, error_code);
  return 0;
}

int Callbacks::OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Session& self = Of(user);
  if (!self.running()) return 0;
  Stream* stream = frame->hd.stream_id == 0 ? nullptr : Find(session, frame->hd.stream_id);
  if (frame->hd.type == NGHTTP2_RST_STREAM) {
    const bool ours = stream != nullptr && stream->reset_by_user_;
    if (!ours && frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
      self.CheckFlood(self.guard_.OnStreamAborted({}));
    return 0;
  }
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
      !self.why_) {
    self.why_ = {
        self.is_server() ? FailureKind::kDownstreamProtocol : FailureKind::kUpstreamProtocol,
        "http2.protocol_error"};
  }
  if (frame->hd.type == NGHTTP2_DATA) self.guard_.OnDataSent();
  if (stream == nullptr) return 0;
  stream->bytes_on_wire_ += frame->hd.length + kFrameHead;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  stream->end_sent_ = true;
  if (self.is_server() && !stream->attached() && !stream->receive_ended_ &&
      !std::exchange(stream->reset_by_user_, true)) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id_, NGHTTP2_NO_ERROR);
  }
  return 0;
}

int Callbacks::SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t size,
                        nghttp2_data_source* source, void* user) {
  Session& self = Of(user);
  Stream& stream = *static_cast<Stream*>(source->ptr);
  self.out_.Append({reinterpret_cast<const char*>(head), kFrameHead});
  const std::string_view front = stream.to_send_.Front();
  if (size <= kCopiedBody && front.size() >= size) {
    self.out_.Append(front.substr(0, size));
    stream.to_send_.Drain(size);
  } else {
    self.out_.AppendFront(stream.to_send_, size);
  }
  if (stream.room_wanted_) self.Due(stream);
  return 0;
}

void Session::OnBody(Stream& stream, const char* bytes, size_t size) {
  if (size == 0) return;
  if (size <= kCopiedBody && !stream.received_.empty()) {
    stream.received_.Append({bytes, size});
  } else {
    // The bytes are in in_'s front piece: everything before them has been read.
    const size_t before = static_cast<size_t>(bytes - piece_) - taken_;
    in_.Drain(before);
    stream.received_.AppendFront(in_, size);
    taken_ += before + size;
  }
  held_ += size;
  Due(stream);
}

void Session::OnStreamGone(Stream& stream, uint32_t error_code) {
  stream.closed_ = true;
  --active_;
  room_changed_ = true;
  if (stream.receive_ended_ || stream.reset_by_peer_)
    ended_by_peer_[ended_count_++ % ended_by_peer_.size()] = stream.id_;
  if (is_server() && stream.reset_by_peer_ && !stream.end_sent_)
    CheckFlood(guard_.OnStreamAborted(loop_.Now() - stream.opened_));
  const bool received = stream.receive_ended_ && !stream.refused_;
  const bool complete = is_server() ? received && stream.end_sent_ : received;
  if (!complete && !stream.reset_) {
    stream.reset_ = StreamFailure(stream, error_code);
    held_ -= stream.received_.size();
    stream.received_.Clear();
  }
  stream.to_send_.Clear();
  Due(stream);
}

void Session::CheckStreamId(const nghttp2_frame_hd& head) {
  const int32_t id = head.stream_id;
  if (is_server() && id > last_peer_stream_) {
    if (id > last_peer_stream_ + 2) {
      skipped_from_ = last_peer_stream_ + 1;
      skipped_to_ = id - 1;
    }
    last_peer_stream_ = id;
    return guard_.OnStreamOpened();
  }
  const auto end = ended_by_peer_.end();
  if (id != 0 && std::find(ended_by_peer_.begin(), end, id) != end) {
    Abort(NGHTTP2_STREAM_CLOSED, FailureKind::kDownstreamProtocol, "http2.stream_closed");
  } else if (id >= skipped_from_ && id <= skipped_to_) {
    Abort(NGHTTP2_PROTOCOL_ERROR, FailureKind::kDownstreamProtocol, "http2.stream_id_too_low");
  }
}

Failure Session::StreamFailure(const Stream& stream, uint32_t error_code) const {
  if (stream.refused_) {
    if (!is_server() && stream.head_received_)
      return {FailureKind::kUpstreamTruncated, stream.refused_.detail};
    return stream.refused_;
  }
  if (is_server()) {
    if (stream.reset_by_peer_) return {FailureKind::kDownstreamClosed, "http2.remote_reset"};
    return {FailureKind::kDownstreamProtocol, "http2.protocol_error"};
  }
  if (stream.head_received_) {
    return {FailureKind::kUpstreamTruncated,
            stream.reset_by_peer_ ? "http2.remote_reset" : "http2.protocol_error"};
  }
  if (error_code == NGHTTP2_REFUSED_STREAM) {
    if (goaway_received_ && !stream.reset_by_peer_)
      return {FailureKind::kUpstreamClosedUnread, "http2.goaway"};
    return {FailureKind::kUpstreamRefusedStream, ""};
  }
  if (stream.reset_by_peer_) return {FailureKind::kUpstreamReset, "http2.remote_reset"};
  return {FailureKind::kUpstreamProtocol, "http2.protocol_error"};
}

void Session::OnPingAnswer(const uint8_t* opaque) {
  if (std::memcmp(opaque, kProbe.data(), kProbe.size()) == 0) {
    tuner_.OnProbeAnswered(held_);
    const size_t wanted = std::max<size_t>(options_.connection_window, 2 * tuner_.window());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<int32_t>(wanted));
  } else if (draining_ && is_server()) {
    EndDrain();
  }
}

void Session::GrowWindow(Stream& stream) {
  const size_t wanted = tuner_.window();
  if (wanted <= stream.window_ || held_ > WindowTuner::kHeldBytes) return;
  const size_t more = wanted - stream.window_;
  if (granted_ + more > kMaxGranted) return;
  granted_ += more;
  stream.window_ = wanted;
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id_,
                                        static_cast<int32_t>(wanted));
}

const nghttp2_session_callbacks* SessionCallbacks() {
  static const nghttp2_session_callbacks* const kCallbacks = [] {
    nghttp2_session_callbacks* all = nullptr;
    nghttp2_session_callbacks_new(&all);
    nghttp2_session_callbacks_set_on_begin_frame_callback(all, Callbacks::OnBeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, Callbacks::OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback2(all, Callbacks::OnHeader);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(all, Callbacks::OnInvalidHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, Callbacks::OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, Callbacks::OnDataChunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, Callbacks::OnStreamClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, Callbacks::OnFrameSent);
    nghttp2_session_callbacks_set_send_data_callback(all, Callbacks::SendData);
    return all;
  }();
  return kCallbacks;
}

const nghttp2_option* SessionOptions() {
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
