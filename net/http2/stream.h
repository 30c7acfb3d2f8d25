// One HTTP/2 stream: received data that waits for the user's credit, data to send that waits for
// the peer's window, and the state of both messages (stream_state.h). Source: RFC 9113 5 and 8.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/base/intrusive_list.h"
#include "net/http/stream.h"
#include "net/http2/header_block.h"
#include "net/http2/stream_state.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

class Session;

struct AllStreams {};
struct ReadyStreams {};

// Owner: its Session, which creates it in the slab and destroys it when the stream is closed and
// the user has detached. A stream that its user still holds when the session is destroyed becomes
// an orphan, on which every call except Detach has no effect. Thread: the session's.
//
// Users see it as http::Stream. The other public methods are for the session, in this order:
//
//   Attach? (BeginBlock AddField* EndBlock | Receive* | OnEndReceived)* Close Deliver*
class Stream final : public http::Stream,
                     public ListNode<Stream, AllStreams>,
                     public ListNode<Stream, ReadyStreams> {
 public:
  // `id` is 0 for a request that was not sent yet. `events` may be null until Attach.
  Stream(Session& session, Slab& slab, int32_t id, http::StreamEvents* events);

  void SendInterim(const http::Head& head) override;
  void SendHeaders(const http::Head& head, bool end) override;
  void SendData(Buffer& data, bool end) override;
  void SendTrailers(const http::HeaderMap& trailers) override;
  size_t SendRoom() const override;
  void Pull(size_t bytes) override;
  void Reset(Failure why) override;
  void Detach() override;
  uint64_t bytes_on_wire() const override { return bytes_on_wire_; }
  size_t held_bytes() const override { return received_.footprint() + to_send_.footprint(); }

  bool attached() const { return events_ != nullptr; }
  int32_t id() const { return id_; }
  loop::Instant opened() const { return opened_; }
  const ReceivingState& receiving() const { return receiving_; }
  const SendingState& sending() const { return sending_; }
  const Lifetime& lifetime() const { return lifetime_; }

  // Server: the user of a new stream. Null: refuses the stream.
  void Attach(http::StreamEvents* events);

  // A header block is received. On a stream without a user, or after Refuse, it is skipped. A
  // verdict other than kOk: refuse the stream.
  // `first`: the kind of the first final block.
  void BeginBlock(HeaderBlock::Kind first) {
    if (!attached()) return;
    using Kind = HeaderBlock::Kind;
    block_.Begin(receiving_.head_received() ? Kind::kTrailers : first, events_->arena());
  }
  Verdict AddField(std::string_view name, std::string_view value, const http::Limits& limits) {
    if (!attached() || !block_.open()) return Verdict::kOk;
    return block_.Add(name, value, limits);
  }
  Verdict EndBlock(bool end);
  // Body is received: copied to the end of what waits (false: nothing waits, link it instead), or
  // moved from the front of `from`.
  bool ReceiveCopy(std::string_view bytes);
  void Receive(Buffer& from, size_t size);
  bool wants_body() const { return attached() && !refused_; }
  void OnEndReceived();
  void OnResetReceived() { lifetime_.OnResetByPeer(); }
  // Remembers why the stream will be reset by us. False: was refused before.
  bool Refuse(Failure why);

  // Writes a DATA frame of `size` bytes of body.
  void WriteData(Buffer& out, std::string_view frame_head, size_t size);
  // A frame of this stream was written.
  void OnFrameSent(size_t bytes, bool end) {
    bytes_on_wire_ += bytes;
    if (end) OnEndSent();
  }

  // The stream may close now without a failure: of a client's, only the response matters.
  bool complete(bool server) const {
    return receiving_.ended() && !refused_ && (!server || sending_.sent());
  }
  // The reason for the user when the stream has closed before it was complete, or when its
  // connection was lost because of `why`.
  Failure CloseReason(uint32_t error_code, bool goaway_received) const;
  Failure LossReason(Failure why) const;
  // The stream is closed: drops what would be sent and, if `why` is a failure, what was received.
  void Close(Failure why);
  // As Close, but without any event for the user: the user closed the session.
  void Abandon() { lifetime_.OnClosed(); }
  // The session ends before the user has detached.
  void Orphan();
  // Delivers pending events. Call it when no other event is being delivered.
  void Deliver();
  // Beyond the initial size of its window.
  size_t window_growth() const { return window_growth_; }

 private:
  // Called by nghttp2 for body. Returns how much to put into one DATA frame, or an nghttp2 error.
  ssize_t NextData(size_t most, uint32_t* flags);
  void SubmitRequest(const http::Head& head, const nghttp2_data_provider* body);
  void OnEndSent();
  void DeliverBody();
  void DropReceived();
  // The user has detached: it gets no more events, and nothing is kept for it.
  void Forget();
  // Forget, and reset unless the stream is closed.
  void Release(uint32_t error_code);

  Session* session_;  // null: an orphan
  Slab& slab_;
  http::StreamEvents* events_;  // null: no user yet, or it has detached
  loop::Instant opened_;
  HeaderBlock block_;
  Buffer received_;
  Buffer to_send_;
  std::optional<Arena> trailers_arena_;
  http::HeaderMap* trailers_to_send_ = nullptr;
  http::HeaderMap* trailers_received_ = nullptr;
  size_t credit_ = 0;  // granted by the user and not used
  size_t window_growth_ = 0;
  uint64_t bytes_on_wire_ = 0;
  uint32_t interim_responses_ = 0;
  int32_t id_;
  Failure reset_;    // the reason of ReceivingState::OnReset
  Failure refused_;  // why we end the stream; the reset itself comes later
  ReceivingState receiving_;
  SendingState sending_;
  Lifetime lifetime_;
  mutable bool room_wanted_ = false;  // the user saw SendRoom() == 0
};

// Thousands of streams may wait at once: a new member must be worth its bytes.
static_assert(sizeof(Stream) <= 360);

}  // namespace tulle::http2
