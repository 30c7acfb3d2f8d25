#include "net/http2/streams.h"

#include <utility>

namespace tulle::http2 {

Streams::~Streams() {
  all_.ForEach([this](Stream& stream) {
    if (!stream.attached()) return Destroy(stream);
    stream.Orphan();
  });
}

Stream& Streams::Create(int32_t id, http::StreamEvents* events) {
  Slab& slab = link_.loop.slab();
  auto* stream = new (slab.Allocate(sizeof(Stream))) Stream(*this, slab, id, events);
  all_.PushBack(*stream);
  ++active_;
  return *stream;
}

void Streams::Destroy(Stream& stream) {
  link_.windows.OnStreamDestroyed(stream.incoming().window_growth());
  stream.~Stream();
  link_.loop.slab().Free(&stream, sizeof(Stream));
}

// Most frames and all fields of a head belong to the stream of the one before: nghttp2's table is
// not searched for each.
Stream* Streams::Find(int32_t id) {
  if (id == found_id_) return found_;
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(link_.nghttp2, id));
  if (stream == nullptr) return nullptr;
  found_id_ = id;
  found_ = stream;
  return stream;
}

void Streams::Due(Stream& stream) {
  if (!static_cast<ListNode<Stream, ReadyStreams>&>(stream).linked()) due_.PushBack(stream);
  link_.FlushLater();
}

void Streams::OnGone(Stream& stream, uint32_t error_code) {
  if (stream.id() == found_id_) {
    found_id_ = 0;
    found_ = nullptr;
  }
  --active_;
  room_changed_ = true;
  stream.Close(stream.complete()
                   ? Failure{}
                   : CloseReason(stream.ended(), error_code, link_.drain.peer_leaving()));
}

void Streams::OnUnsentReleased() {
  --active_;
  room_changed_ = true;
}

void Streams::OnRequestRefused(Stream& stream) {
  link_.drain.Begin();
  OnGone(stream, NGHTTP2_REFUSED_STREAM);
}

void Streams::CloseAll(Failure why) {
  all_.ForEach([&](Stream& stream) {
    if (stream.lifetime().closed()) return;
    const bool complete = !link_.is_server() && stream.incoming().state().ended();
    stream.Close(complete ? Failure{} : LossReason(stream.ended(), stream.bytes_on_wire(), why));
  });
  active_ = 0;
  found_id_ = 0;
  found_ = nullptr;
}

void Streams::AbandonAll() {
  all_.ForEach([](Stream& stream) { stream.lifetime().OnClosed(); });
}

void Streams::DeliverTo(Stream& stream) {
  stream.Deliver();
  if (stream.lifetime().closed() && !stream.attached()) Destroy(stream);
}

bool Streams::waiting() {
  bool found = false;
  all_.ForEach([&](Stream& stream) {
    found |= stream.attached() && stream.incoming().state().end_pending();
  });
  return found;
}

bool Streams::TakeRoomChanged() { return std::exchange(room_changed_, false); }

}  // namespace tulle::http2
