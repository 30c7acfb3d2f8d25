#pragma once

#include <cstdint>
#include <optional>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/base/intrusive_list.h"
#include "net/http/stream.h"
#include "net/http2/header_block.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

class Session;

struct AllStreams {};
struct ReadyStreams {};

// One stream of a session: received data that waits for credit, data to send that waits for the
// peer's window, and the state of both directions.
//
// Owner: its Session, which creates it in the slab and destroys it when nghttp2 has closed the
// stream and the user has detached. A stream that its user still holds when the session is
// destroyed becomes an orphan (session() null), on which every call except Detach has no effect.
class Stream final : public http::Stream,
                     public ListNode<Stream, AllStreams>,
                     public ListNode<Stream, ReadyStreams> {
 public:
  Stream(Session& session, Slab& slab, http::StreamEvents* events, loop::Instant opened);

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

 private:
  friend class Session;
  friend struct Callbacks;

  // Called by nghttp2 for body. Returns how much to put into one DATA frame, or an nghttp2 error.
  ssize_t NextData(size_t most, uint32_t* flags);
  // Delivers pending events; called by the session when nothing else is on the stack.
  void Deliver();
  void DeliverBody();
  // The user has detached: it gets no more events, and nothing is kept for it.
  void Forget();
  // Forget, and reset unless both directions have ended.
  void Release(uint32_t error_code);
  bool attached() const { return events_ != nullptr; }

  Session* session_;
  Slab& slab_;
  http::StreamEvents* events_;
  loop::Instant opened_;
  HeaderBlock block_;
  Buffer received_;
  Buffer to_send_;
  std::optional<Arena> trailers_arena_;
  http::HeaderMap* trailers_to_send_ = nullptr;
  http::HeaderMap* trailers_received_ = nullptr;
  size_t credit_ = 0;
  size_t window_ = 0;
  uint64_t bytes_on_wire_ = 0;
  uint32_t interim_responses_ = 0;
  int32_t id_ = 0;   // 0: the request was not submitted yet
  Failure reset_;    // pending notification of the reset
  Failure refused_;  // why we end it

  bool head_received_ = false;
  bool receive_ended_ = false;
  bool end_delivered_ = false;
  bool reset_delivered_ = false;
  bool headers_submitted_ = false;
  bool send_ended_ = false;  // by the user
  bool end_sent_ = false;    // END_STREAM was sent
  bool trailers_submitted_ = false;
  bool deferred_ = false;     // nghttp2 waits for resume
  bool room_wanted_ = false;  // the user saw SendRoom() == 0
  bool reset_by_peer_ = false;
  bool reset_by_user_ = false;
  bool closed_ = false;  // nghttp2 no longer knows the id
};

}  // namespace tulle::http2
