// What the user sends on a stream, what the session receives on it, and its delivery.
#include "net/http2/stream.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "net/http2/session.h"

namespace tulle::http2 {
namespace {

// Bodies up to this size are copied to the previous block rather than linked: many tiny DATA frames
// must not cost more memory than the window they use.
constexpr size_t kCopiedBody = 1024;

uint32_t ResetCode(FailureKind kind) {
  using Kind = FailureKind;
  if (kind == Kind::kNone) return NGHTTP2_NO_ERROR;
  if (kind == Kind::kBadRequest || kind == Kind::kDownstreamProtocol) return NGHTTP2_PROTOCOL_ERROR;
  if (kind == Kind::kHeadersTooLarge) return NGHTTP2_ENHANCE_YOUR_CALM;
  if (kind == Kind::kDraining || kind == Kind::kUpstreamRefusedStream)
    return NGHTTP2_REFUSED_STREAM;
  if (kind == Kind::kInternal || kind == Kind::kUpstreamProtocol ||
      kind == Kind::kUpstreamTruncated)
    return NGHTTP2_INTERNAL_ERROR;
  return NGHTTP2_CANCEL;
}

}  // namespace

Stream::Stream(Session& session, Slab& slab, int32_t id, http::StreamEvents* events)
    : session_(&session),
      slab_(slab),
      events_(events),
      opened_(session.loop().Now()),
      received_(slab),
      to_send_(slab),
      id_(id) {}

void Stream::SendInterim(const http::Head& head) {
  if (lifetime_.closed() || sending_.head_submitted()) return;
  const FieldList fields(head, FieldList::Kind::kResponse, false, slab_);
  nghttp2_submit_headers(session_->nghttp2(), NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(),
                         fields.size(), nullptr);
  session_->FlushLater();
}

void Stream::SendHeaders(const http::Head& head, bool end) {
  sending_.OnHead(end);
  if (lifetime_.closed()) return;
  nghttp2_data_provider body;
  body.source.ptr = this;
  body.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t most, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    return static_cast<Stream*>(source->ptr)->NextData(most, flags);
  };
  const nghttp2_data_provider* provider = end ? nullptr : &body;
  session_->OnStreamSent();
  if (!session_->is_server()) return SubmitRequest(head, provider);
  const FieldList fields(head, FieldList::Kind::kResponse, false, slab_);
  nghttp2_submit_response(session_->nghttp2(), id_, fields.data(), fields.size(), provider);
}

void Stream::SubmitRequest(const http::Head& head, const nghttp2_data_provider* body) {
  const FieldList fields(head, FieldList::Kind::kRequest, session_->is_tls(), slab_);
  const int32_t id = nghttp2_submit_request(session_->nghttp2(), nullptr, fields.data(),
                                            fields.size(), body, this);
  if (id <= 0) return session_->OnRequestRefused(*this);
  id_ = id;
}

void Stream::SendData(Buffer& data, bool end) {
  const bool resume = sending_.OnMore(end);
  if (lifetime_.closed()) return data.Clear();
  to_send_.Append(data);
  if (resume) nghttp2_session_resume_data(session_->nghttp2(), id_);
  session_->OnStreamSent();
}

void Stream::SendTrailers(const http::HeaderMap& trailers) {
  const bool resume = sending_.OnMore(true);
  if (lifetime_.closed()) return;
  // They must wait until the body was sent.
  Arena& arena = trailers_arena_.emplace(slab_);
  trailers_to_send_ = arena.New<http::HeaderMap>(arena);
  for (const http::Header& header : trailers.all()) {
    trailers_to_send_->Add(header.id, arena.Copy(header.name), arena.Copy(header.value));
  }
  if (resume) nghttp2_session_resume_data(session_->nghttp2(), id_);
  session_->FlushLater();
}

size_t Stream::SendRoom() const {
  if (lifetime_.closed()) return 0;
  const size_t most = session_->limits().send_buffer;
  if (to_send_.size() < most) return most - to_send_.size();
  room_wanted_ = true;
  return 0;
}

void Stream::Pull(size_t bytes) {
  credit_ += std::min(bytes, std::numeric_limits<size_t>::max() - credit_);
  if (session_ != nullptr && !received_.empty()) session_->Due(*this);
}

void Stream::Reset(Failure why) {
  to_send_.Clear();
  Release(ResetCode(why.kind));
}

void Stream::Detach() {
  if (session_ != nullptr && session_->is_server() && sending_.ended()) {
    // RFC 9113 8.1: a complete response may be followed by RST_STREAM(NO_ERROR) to stop the upload.
    // While the response is still being sent, OnFrameSent does this after END_STREAM.
    if (sending_.sent() || lifetime_.closed()) return Release(NGHTTP2_NO_ERROR);
    return Forget();
  }
  if (sending_.ended() && receiving_.ended() && !lifetime_.closed()) {
    // The response is complete, but the rest of the request is still being sent: let it finish.
    return Forget();
  }
  Release(NGHTTP2_CANCEL);
}

void Stream::Forget() {
  events_ = nullptr;
  DropReceived();
}

void Stream::DropReceived() {
  session_->windows().OnReleased(received_.size());
  received_.Clear();
}

void Stream::Release(uint32_t error_code) {
  if (session_ == nullptr) {
    Slab& slab = slab_;
    this->~Stream();
    slab.Free(this, sizeof(Stream));
    return;
  }
  Forget();
  if (id_ == 0 && !lifetime_.closed()) {
    lifetime_.OnClosed();
    session_->OnUnsentReleased();
  }
  if (lifetime_.closed()) return session_->Due(*this);
  if (!lifetime_.OnResetByUs()) return;
  nghttp2_submit_rst_stream(session_->nghttp2(), NGHTTP2_FLAG_NONE, id_, error_code);
  session_->FlushLater();
}

void Stream::Attach(http::StreamEvents* events) {
  events_ = events;
  if (!attached() && lifetime_.open()) Release(NGHTTP2_REFUSED_STREAM);
}

Verdict Stream::EndBlock(bool end) {
  if (!attached()) {
    // Not decoded. That the request is complete still matters: no reset follows the response.
    if (end) receiving_.OnEnd();
    return Verdict::kOk;
  }
  if (!block_.open()) return Verdict::kOk;
  if (const Verdict verdict = block_.Finish(); verdict != Verdict::kOk) return verdict;
  if (block_.kind() == HeaderBlock::Kind::kTrailers) {
    trailers_received_ = block_.trailers();
    if (end) receiving_.OnEnd();
    session_->Due(*this);
    return Verdict::kOk;
  }
  http::Head& head = *block_.head();
  if (head.status >= 100 && head.status < 200 && !session_->is_server()) {
    if (++interim_responses_ > session_->limits().interim_responses) return Verdict::kTooLarge;
    events_->OnInterim(head);
    return Verdict::kOk;
  }
  receiving_.OnHead(end);
  events_->OnHeaders(head, end);
  return Verdict::kOk;
}

bool Stream::ReceiveCopy(std::string_view bytes) {
  if (bytes.size() > kCopiedBody || received_.empty()) return false;
  received_.Append(bytes);
  session_->windows().OnHeld(bytes.size());
  session_->Due(*this);
  return true;
}

void Stream::Receive(Buffer& from, size_t size) {
  received_.AppendFront(from, size);
  session_->windows().OnHeld(size);
  session_->Due(*this);
}

void Stream::OnEndReceived() {
  receiving_.OnEnd();
  if (attached()) session_->Due(*this);
}

bool Stream::Refuse(Failure why) {
  if (refused_) return false;
  refused_ = why;
  return true;
}

ssize_t Stream::NextData(size_t most, uint32_t* flags) {
  const size_t size = std::min(most, to_send_.size());
  if (size == 0 && !sending_.ended()) {
    sending_.OnPaused();
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size < to_send_.size() || !sending_.ended()) return static_cast<ssize_t>(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (sending_.OnBodyTaken() && trailers_to_send_ != nullptr) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const FieldList fields(*trailers_to_send_, slab_);
    nghttp2_submit_trailer(session_->nghttp2(), id_, fields.data(), fields.size());
  }
  return static_cast<ssize_t>(size);
}

void Stream::WriteData(Buffer& out, std::string_view frame_head, size_t size) {
  out.Append(frame_head);
  const std::string_view front = to_send_.Front();
  if (size <= kCopiedBody && front.size() >= size) {
    out.Append(front.substr(0, size));
    to_send_.Drain(size);
  } else {
    out.AppendFront(to_send_, size);
  }
  if (room_wanted_) session_->Due(*this);
}

void Stream::OnEndSent() {
  sending_.OnSent();
  const bool upload_unwanted = session_->is_server() && !attached() && !receiving_.ended();
  if (upload_unwanted && lifetime_.OnResetByUs())
    nghttp2_submit_rst_stream(session_->nghttp2(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_NO_ERROR);
}

void Stream::Close(Failure why) {
  lifetime_.OnClosed();
  to_send_.Clear();
  if (why) {
    reset_ = why;
    receiving_.OnReset();
    DropReceived();
  }
  session_->Due(*this);
}

void Stream::Orphan() {
  lifetime_.OnClosed();
  static_cast<ListNode<Stream, AllStreams>&>(*this).Unlink();
  static_cast<ListNode<Stream, ReadyStreams>&>(*this).Unlink();
  session_ = nullptr;
}

Failure Stream::CloseReason(uint32_t error_code, bool goaway_received) const {
  const bool server = session_->is_server();
  const bool by_peer = lifetime_.reset_by_peer();
  const char* const how = by_peer ? "http2.remote_reset" : "http2.protocol_error";
  const bool truncated = !server && receiving_.head_received();
  if (truncated) return {FailureKind::kUpstreamTruncated, refused_ ? refused_.detail : how};
  if (refused_) return refused_;
  if (server)
    return {by_peer ? FailureKind::kDownstreamClosed : FailureKind::kDownstreamProtocol, how};
  if (error_code == NGHTTP2_REFUSED_STREAM) {
    if (goaway_received && !by_peer) return {FailureKind::kUpstreamClosedUnread, "http2.goaway"};
    return {FailureKind::kUpstreamRefusedStream, ""};
  }
  return {by_peer ? FailureKind::kUpstreamReset : FailureKind::kUpstreamProtocol, how};
}

Failure Stream::LossReason(Failure why) const {
  if (session_->is_server()) return why;
  if (receiving_.head_received()) return {FailureKind::kUpstreamTruncated, why.detail};
  if (why.kind == FailureKind::kUpstreamProtocol) return why;
  if (bytes_on_wire_ == 0) return {FailureKind::kUpstreamClosedUnused, why.detail};
  return {FailureKind::kUpstreamClosed, why.detail};
}

void Stream::Deliver() {
  if (!attached()) return;
  if (receiving_.TakeReset()) return events_->OnReset(reset_);
  if (receiving_.reset()) return;
  if (receiving_.head_received()) DeliverBody();
  if (attached() && receiving_.end_pending() && received_.empty()) {
    receiving_.OnEndDelivered();
    if (trailers_received_ != nullptr) {
      events_->OnTrailers(*trailers_received_);
    } else {
      Buffer none(slab_);
      events_->OnData(none, true);
    }
  }
  if (attached() && room_wanted_ && SendRoom() > 0) {
    room_wanted_ = false;
    events_->OnSendRoom();
  }
}

void Stream::DeliverBody() {
  const size_t size = std::min(credit_, received_.size());
  if (size == 0) return;
  Buffer chunk(slab_);
  chunk.AppendFront(received_, size);
  credit_ -= size;
  ReceiveWindows& windows = session_->windows();
  windows.OnReleased(size);
  if (!lifetime_.closed() && !receiving_.ended()) {
    nghttp2_session_consume_stream(session_->nghttp2(), id_, size);
    if (const size_t more = windows.Grow(window_growth_); more > 0) {
      window_growth_ += more;
      nghttp2_session_set_local_window_size(
          session_->nghttp2(), NGHTTP2_FLAG_NONE, id_,
          static_cast<int32_t>(windows.initial() + window_growth_));
    }
    session_->FlushLater();
  }
  const bool end = receiving_.end_pending() && received_.empty() && trailers_received_ == nullptr;
  if (end) receiving_.OnEndDelivered();
  events_->OnData(chunk, end);
}

}  // namespace tulle::http2
