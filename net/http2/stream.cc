// What the user does on a stream, and the delivery of what was received.
#include "net/http2/stream.h"

#include "net/http2/streams.h"

namespace tulle::http2 {
namespace {

// Called by nghttp2 for body: how much to put into one DATA frame, or an error.
ssize_t NextData(nghttp2_session* session, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                 nghttp2_data_source* source, void*) {
  OutgoingMessage& message = static_cast<Stream*>(source->ptr)->outgoing();
  const OutgoingMessage::Piece piece = message.TakeNext(most);
  using Next = OutgoingMessage::Next;
  if (piece.next == Next::kWait) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (piece.next != Next::kBody) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (piece.next == Next::kTrailers) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const http::HeaderMap& trailers = message.trailers();
    const FieldList fields(trailers, trailers.arena().slab());
    nghttp2_submit_trailer(session, id, fields.data(), fields.size());
  }
  return static_cast<ssize_t>(piece.size);
}

}  // namespace

Stream::Stream(Streams& streams, Slab& slab, int32_t id, http::StreamEvents* events)
    : streams_(&streams),
      slab_(slab),
      events_(events),
      opened_(streams.link().loop.Now()),
      incoming_(slab),
      outgoing_(slab),
      id_(id) {}

void Stream::SendInterim(const http::Head& head) {
  if (lifetime_.closed() || outgoing_.state().head_submitted()) return;
  Link& link = streams_->link();
  const FieldList fields(head, FieldList::Kind::kResponse, false, slab_);
  nghttp2_submit_headers(link.nghttp2, NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(),
                         fields.size(), nullptr);
  link.FlushLater();
}

void Stream::SendHeaders(const http::Head& head, bool end) {
  outgoing_.OnHead(end);
  if (lifetime_.closed()) return;
  nghttp2_data_provider body;
  body.source.ptr = this;
  body.read_callback = NextData;
  const nghttp2_data_provider* provider = end ? nullptr : &body;
  Link& link = streams_->link();
  link.keepalive.OnStreamSent();
  link.FlushLater();
  const auto kind = link.is_server() ? FieldList::Kind::kResponse : FieldList::Kind::kRequest;
  const FieldList fields(head, kind, link.secure, slab_);
  if (link.is_server()) {
    nghttp2_submit_response(link.nghttp2, id_, fields.data(), fields.size(), provider);
    return;
  }
  const int32_t id =
      nghttp2_submit_request(link.nghttp2, nullptr, fields.data(), fields.size(), provider, this);
  if (id <= 0) return streams_->OnRequestRefused(*this);
  id_ = id;
}

void Stream::SendData(Buffer& data, bool end) {
  const bool resume = outgoing_.Add(data, end);
  if (lifetime_.closed()) return outgoing_.DropBody();
  Link& link = streams_->link();
  if (resume) nghttp2_session_resume_data(link.nghttp2, id_);
  link.keepalive.OnStreamSent();
  link.FlushLater();
}

void Stream::SendTrailers(const http::HeaderMap& trailers) {
  const bool resume = outgoing_.AddTrailers(trailers);
  if (lifetime_.closed()) return;
  Link& link = streams_->link();
  if (resume) nghttp2_session_resume_data(link.nghttp2, id_);
  link.FlushLater();
}

size_t Stream::SendRoom() const {
  if (lifetime_.closed()) return 0;
  return outgoing_.Room(streams_->link().options.limits.send_buffer);
}

void Stream::Pull(size_t bytes) {
  const bool waits = incoming_.Grant(bytes);
  if (waits && streams_ != nullptr) streams_->Due(*this);
}

void Stream::Reset(Failure why) {
  outgoing_.DropBody();
  Release(ResetCode(why.kind));
}

void Stream::Detach() {
  const bool ended = outgoing_.state().ended();
  if (streams_ != nullptr && streams_->link().is_server() && ended) {
    // RFC 9113 8.1: a complete response may be followed by RST_STREAM(NO_ERROR) to stop the upload.
    // While the response is still being sent, OnFrameSent does this after END_STREAM.
    if (outgoing_.state().sent() || lifetime_.closed()) return Release(NGHTTP2_NO_ERROR);
    return Forget();
  }
  if (ended && incoming_.state().ended() && !lifetime_.closed()) {
    // The response is complete, but the rest of the request is still being sent: let it finish.
    return Forget();
  }
  Release(NGHTTP2_CANCEL);
}

void Stream::Forget() {
  events_ = nullptr;
  incoming_.Discard(streams_->link().windows);
}

void Stream::Release(uint32_t error_code) {
  if (streams_ == nullptr) {
    Slab& slab = slab_;
    this->~Stream();
    slab.Free(this, sizeof(Stream));
    return;
  }
  Forget();
  if (id_ == 0 && !lifetime_.closed()) {
    lifetime_.OnClosed();
    streams_->OnUnsentReleased();
  }
  if (lifetime_.closed()) return streams_->Due(*this);
  if (!lifetime_.OnResetByUs()) return;
  Link& link = streams_->link();
  nghttp2_submit_rst_stream(link.nghttp2, NGHTTP2_FLAG_NONE, id_, error_code);
  link.FlushLater();
}

void Stream::Attach(http::StreamEvents* events) {
  events_ = events;
  if (!attached() && lifetime_.open()) Release(NGHTTP2_REFUSED_STREAM);
}

Verdict Stream::EndBlock(bool end) {
  http::Head* head = nullptr;
  const Verdict verdict = incoming_.EndBlock(end, streams_->link().options.limits, head);
  if (verdict != Verdict::kOk || !attached()) return verdict;
  if (head == nullptr) {
    streams_->Due(*this);
  } else if (incoming_.state().head_received()) {
    events_->OnHeaders(*head, end);
  } else {
    events_->OnInterim(*head);
  }
  return Verdict::kOk;
}

void Stream::OnFrameSent(size_t bytes, bool end) {
  outgoing_.OnFrameSent(bytes, end);
  if (!end) return;
  const Link& link = streams_->link();
  const bool upload_unwanted = link.is_server() && !attached() && !incoming_.state().ended();
  if (upload_unwanted && lifetime_.OnResetByUs())
    nghttp2_submit_rst_stream(link.nghttp2, NGHTTP2_FLAG_NONE, id_, NGHTTP2_NO_ERROR);
}

bool Stream::complete() const {
  if (!incoming_.state().ended() || incoming_.refused()) return false;
  return !streams_->link().is_server() || outgoing_.state().sent();
}

EndedStream Stream::ended() const {
  return {streams_->link().is_server(), incoming_.state().head_received(),
          lifetime_.reset_by_peer(), incoming_.why()};
}

void Stream::Close(Failure why) {
  lifetime_.OnClosed();
  outgoing_.DropBody();
  if (why) incoming_.Fail(why, streams_->link().windows);
  streams_->Due(*this);
}

void Stream::Orphan() {
  lifetime_.OnClosed();
  static_cast<ListNode<Stream, AllStreams>&>(*this).Unlink();
  static_cast<ListNode<Stream, ReadyStreams>&>(*this).Unlink();
  streams_ = nullptr;
}

void Stream::Deliver() {
  if (!attached()) return;
  if (incoming_.TakeFailure()) return events_->OnReset(incoming_.why());
  if (incoming_.state().reset()) return;
  if (incoming_.state().head_received()) DeliverBody();
  if (attached() && incoming_.TakeEnd()) {
    if (incoming_.trailers() != nullptr) {
      events_->OnTrailers(*incoming_.trailers());
    } else {
      Buffer none(slab_);
      events_->OnData(none, true);
    }
  }
  if (!attached() || lifetime_.closed() || !outgoing_.room_wanted()) return;
  if (outgoing_.TakeRoom(streams_->link().options.limits.send_buffer)) events_->OnSendRoom();
}

void Stream::DeliverBody() {
  Buffer chunk(slab_);
  Link& link = streams_->link();
  const size_t size = incoming_.TakeBody(chunk, link.windows);
  if (size == 0) return;
  if (!lifetime_.closed() && !incoming_.state().ended()) {
    nghttp2_session_consume_stream(link.nghttp2, id_, size);
    if (const size_t window = incoming_.GrowWindow(link.windows); window > 0) {
      nghttp2_session_set_local_window_size(link.nghttp2, NGHTTP2_FLAG_NONE, id_,
                                            static_cast<int32_t>(window));
    }
    link.FlushLater();
  }
  const bool end = incoming_.trailers() == nullptr && incoming_.TakeEnd();
  events_->OnData(chunk, end);
}

}  // namespace tulle::http2
