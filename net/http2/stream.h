// One HTTP/2 stream: an incoming and an outgoing message, the user that they belong to, and how the
// stream ends. Source: RFC 9113 5 and 8.
#pragma once

#include <cstdint>

#include "net/base/intrusive_list.h"
#include "net/base/slab.h"
#include "net/http/stream.h"
#include "net/http2/incoming_message.h"
#include "net/http2/outgoing_message.h"
#include "net/http2/stream_failure.h"
#include "net/http2/stream_state.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

class Streams;

struct AllStreams {};
struct ReadyStreams {};

// Owner: Streams, which creates it in the slab and destroys it when the stream is closed and the
// user has detached. A stream that its user still holds when the session is destroyed becomes an
// orphan, on which every call except Detach has no effect. Thread: the session's.
//
// Users see it as http::Stream. The other public methods are for the session, in this order:
//
//   Attach? (BeginBlock EndBlock)* Close Deliver*
class Stream final : public http::Stream,
                     public ListNode<Stream, AllStreams>,
                     public ListNode<Stream, ReadyStreams> {
 public:
  // `id` is 0 for a request that was not sent yet. `events` may be null until Attach.
  Stream(Streams& streams, Slab& slab, int32_t id, http::StreamEvents* events);

  void SendInterim(const http::Head& head) override;
  void SendHeaders(const http::Head& head, bool end) override;
  void SendData(Buffer& data, bool end) override;
  void SendTrailers(const http::HeaderMap& trailers) override;
  size_t SendRoom() const override;
  void Pull(size_t bytes) override;
  void Reset(Failure why) override;
  void Detach() override;
  uint64_t bytes_on_wire() const override { return outgoing_.bytes_on_wire(); }
  size_t held_bytes() const override { return incoming_.footprint() + outgoing_.footprint(); }

  bool attached() const { return events_ != nullptr; }
  int32_t id() const { return id_; }
  loop::Instant opened() const { return opened_; }
  Lifetime& lifetime() { return lifetime_; }
  IncomingMessage& incoming() { return incoming_; }
  OutgoingMessage& outgoing() { return outgoing_; }

  // Server: the user of a new stream. Null: refuses the stream.
  void Attach(http::StreamEvents* events);
  // A header block is received; its fields go to incoming(). `first`: the kind of the first final
  // block. A verdict other than kOk: refuse the stream.
  void BeginBlock(HeaderBlock::Kind first) {
    if (attached()) incoming_.BeginBlock(first, events_->arena());
  }
  Verdict EndBlock(bool end);
  // A frame of this stream was written.
  void OnFrameSent(size_t bytes, bool end);

  // The stream may close now without a failure: of a client's, only the response matters.
  bool complete() const;
  // What its user is told if it has ended early.
  EndedStream ended() const;
  // The stream is closed: drops what would be sent and, if `why` is a failure, what was received.
  void Close(Failure why);
  // The session ends before the user has detached.
  void Orphan();
  // Delivers pending events. Call it when no other event is being delivered.
  void Deliver();

 private:
  void DeliverBody();
  // The user has detached: it gets no more events, and nothing is kept for it.
  void Forget();
  // Forget, and reset unless the stream is closed.
  void Release(uint32_t error_code);

  Streams* streams_;  // null: an orphan
  Slab& slab_;
  http::StreamEvents* events_;  // null: no user yet, or it has detached
  const loop::Instant opened_;
  IncomingMessage incoming_;
  OutgoingMessage outgoing_;
  int32_t id_;
  Lifetime lifetime_;
};

// Thousands of streams may wait at once: a new member must be worth its bytes.
static_assert(sizeof(Stream) <= 360);

}  // namespace tulle::http2
