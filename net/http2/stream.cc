// Delivery of received data, and data that waits for the peer's window.
#include "net/http2/stream.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "net/http2/session.h"

namespace tulle::http2 {
namespace {

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

Stream::Stream(Session& session, Slab& slab, http::StreamEvents* events, loop::Instant opened)
    : session_(&session),
      slab_(slab),
      events_(events),
      opened_(opened),
      received_(slab),
      to_send_(slab) {}

void Stream::SendInterim(const http::Head& head) {
  if (session_ == nullptr || closed_ || headers_submitted_) return;
  const FieldList fields(head, FieldList::Kind::kResponse, false, slab_);
  nghttp2_submit_headers(session_->session_, NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(),
                         fields.size(), nullptr);
  session_->loop_.AtTurnEnd(*session_);
}

void Stream::SendHeaders(const http::Head& head, bool end) {
  assert(!headers_submitted_);
  headers_submitted_ = true;
  send_ended_ = end;
  if (session_ == nullptr || closed_) return;
  nghttp2_data_provider body;
  body.source.ptr = this;
  body.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t most, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    return static_cast<Stream*>(source->ptr)->NextData(most, flags);
  };
  const nghttp2_data_provider* provider = end ? nullptr : &body;
  nghttp2_session* session = session_->session_;
  session_->unanswered_ = true;
  session_->loop_.AtTurnEnd(*session_);
  if (session_->is_server()) {
    const FieldList fields(head, FieldList::Kind::kResponse, false, slab_);
    nghttp2_submit_response(session, id_, fields.data(), fields.size(), provider);
    return;
  }
  const FieldList fields(head, FieldList::Kind::kRequest, session_->transport_->is_tls(), slab_);
  const int32_t id =
      nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), provider, this);
  if (id > 0) {
    id_ = id;
    return;
  }
  // Stream ids are exhausted, or the session is ending: nothing was sent.
  session_->draining_ = true;
  session_->OnStreamGone(*this, NGHTTP2_REFUSED_STREAM);
}

void Stream::SendData(Buffer& data, bool end) {
  assert(headers_submitted_ && !send_ended_);
  send_ended_ = end;
  if (session_ == nullptr || closed_) return data.Clear();
  to_send_.Append(data);
  session_->unanswered_ = true;
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_->session_, id_);
  session_->loop_.AtTurnEnd(*session_);
}

void Stream::SendTrailers(const http::HeaderMap& trailers) {
  assert(headers_submitted_ && !send_ended_);
  send_ended_ = true;
  if (session_ == nullptr || closed_) return;
  // They must wait until the body was sent.
  Arena& arena = trailers_arena_.emplace(slab_);
  trailers_to_send_ = arena.New<http::HeaderMap>(arena);
  for (const http::Header& header : trailers.all()) {
    trailers_to_send_->Add(header.id, arena.Copy(header.name), arena.Copy(header.value));
  }
  if (std::exchange(deferred_, false)) nghttp2_session_resume_data(session_->session_, id_);
  session_->loop_.AtTurnEnd(*session_);
}

size_t Stream::SendRoom() const {
  if (session_ == nullptr || closed_) return 0;
  const size_t most = session_->options_.limits.send_buffer;
  if (to_send_.size() < most) return most - to_send_.size();
  const_cast<Stream*>(this)->room_wanted_ = true;
  return 0;
}

void Stream::Pull(size_t bytes) {
  credit_ += std::min(bytes, std::numeric_limits<size_t>::max() - credit_);
  if (session_ == nullptr) return;
  if (!received_.empty()) session_->Due(*this);
}

void Stream::Reset(Failure why) {
  to_send_.Clear();
  Release(ResetCode(why.kind));
}

void Stream::Detach() {
  if (session_ != nullptr && session_->is_server() && send_ended_) {
    // RFC 9113 8.1: a complete response may be followed by RST_STREAM(NO_ERROR) to stop the upload.
    // While the response is still being sent, the session does this after END_STREAM.
    if (end_sent_ || closed_) return Release(NGHTTP2_NO_ERROR);
    return Forget();
  }
  if (send_ended_ && receive_ended_ && !closed_) {
    // The response is complete, but the rest of the request is still being sent: let it finish.
    return Forget();
  }
  Release(NGHTTP2_CANCEL);
}

void Stream::Forget() {
  events_ = nullptr;
  session_->held_ -= received_.size();
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
  if (!closed_ && id_ == 0) {
    closed_ = true;
    --session_->active_;
    session_->room_changed_ = true;
  }
  if (closed_) return session_->Due(*this);
  reset_by_user_ = true;
  nghttp2_submit_rst_stream(session_->session_, NGHTTP2_FLAG_NONE, id_, error_code);
  session_->loop_.AtTurnEnd(*session_);
}

ssize_t Stream::NextData(size_t most, uint32_t* flags) {
  const size_t size = std::min(most, to_send_.size());
  if (size == 0 && !send_ended_) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size < to_send_.size() || !send_ended_) return static_cast<ssize_t>(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (trailers_to_send_ != nullptr && !trailers_submitted_) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    trailers_submitted_ = true;
    const FieldList fields(*trailers_to_send_, slab_);
    nghttp2_submit_trailer(session_->session_, id_, fields.data(), fields.size());
  }
  return static_cast<ssize_t>(size);
}

void Stream::Deliver() {
  if (!attached()) return;
  if (reset_) {
    if (std::exchange(reset_delivered_, true)) return;
    return events_->OnReset(reset_);
  }
  if (head_received_) DeliverBody();
  if (head_received_ && attached() && !reset_ && receive_ended_ && received_.empty() &&
      !end_delivered_) {
    end_delivered_ = true;
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
  session_->held_ -= size;
  if (!closed_ && !receive_ended_) {
    nghttp2_session_consume_stream(session_->session_, id_, size);
    session_->GrowWindow(*this);
    session_->loop_.AtTurnEnd(*session_);
  }
  const bool end = receive_ended_ && received_.empty() && trailers_received_ == nullptr;
  if (end) end_delivered_ = true;
  events_->OnData(chunk, end);
}

}  // namespace tulle::http2
