// The streams of one session: which there are, which have events to deliver, and how many the peer
// counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/base/failure.h"
#include "net/base/intrusive_list.h"
#include "net/http2/link.h"
#include "net/http2/stream.h"

namespace tulle::http2 {

// Owner: a session. Thread: the session's. A stream is created by Create, is closed by OnGone,
// OnUnsentReleased or CloseAll, and destroyed by Deliver when its user has detached too.
class Streams {
 public:
  explicit Streams(Link& link) : link_(link) {}
  // Streams that their users still hold become orphans.
  ~Streams();
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  Link& link() { return link_; }
  // Streams known, or soon known, to nghttp2.
  size_t active() const { return active_; }

  // `id` is 0 for a request that was not sent yet.
  Stream& Create(int32_t id, http::StreamEvents* events);
  // Null: nghttp2 does not know it, or it has no stream of ours.
  Stream* Find(int32_t id);
  // The stream has events to deliver, or is to be destroyed.
  void Due(Stream& stream);
  // nghttp2 has closed the stream.
  void OnGone(Stream& stream, uint32_t error_code);
  // The user gave up a request before it was sent.
  void OnUnsentReleased();
  // nghttp2 accepts no more requests: ids are exhausted, or the connection is ending.
  void OnRequestRefused(Stream& stream);
  // The connection is lost: closes all streams. Complete responses are still delivered.
  void CloseAll(Failure why);
  // As CloseAll, but without any event for the users.
  void AbandonAll();

  // Delivers the events of the ready streams until `is_over()`.
  template <typename IsOver>
  void Deliver(IsOver is_over) {
    while (!due_.empty() && !is_over()) DeliverTo(due_.PopFront());
  }
  // Whether a complete message waits for its user's credit.
  bool waiting();

  // The number of streams that may be opened has changed; true once.
  void OnRoomChanged() { room_changed_ = true; }
  bool TakeRoomChanged();

 private:
  void DeliverTo(Stream& stream);
  void Destroy(Stream& stream);

  Link& link_;
  IntrusiveList<Stream, AllStreams> all_;
  IntrusiveList<Stream, ReadyStreams> due_;
  size_t active_ = 0;
  int32_t found_id_ = 0;  // of the stream that Find has found last; 0: none
  Stream* found_ = nullptr;
  bool room_changed_ = false;
};

}  // namespace tulle::http2
