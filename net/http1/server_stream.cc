#include <cassert>
#include <limits>

#include "net/http1/server_connection.h"

// The sending side of a response. Nothing here calls back: consequences are handled at the end of
// the turn.
namespace tulle::http1 {

void ServerConnection::Stream::Clear() {
  user = nullptr;
  open = head_sent = ended = close = to_head = http10 = expects_continue = room_gone = false;
  upgrade_wanted = bytes_ended = false;
  credit = 0;
  mark = connection_.wire_.queued();
}

void ServerConnection::Stream::SendInterim(const http::Head& head) {
  if (user == nullptr || head_sent || http10) return;
  if (head.status == 100) expects_continue = false;
  connection_.encoder_.WriteInterim(head);
  connection_.wire_.Wake();
}

void ServerConnection::Stream::SendHeaders(const http::Head& head, bool end) {
  if (user == nullptr || head_sent) return;
  const bool bytes = head.status == 101 || !head.upgrade.empty();
  assert(!bytes || connection_.state_ == State::kReceived);
  head_sent = true;
  if (bytes) connection_.state_ = State::kUpgraded;
  // A client that got no 100 Continue may send its body or not, so the next bytes would be
  // ambiguous.
  const bool body_in_doubt = expects_continue && connection_.state_ == State::kContent;
  close = close || connection_.draining_ || connection_.last_ || body_in_doubt ||
          connection_.UpgradeAnticipated();
  connection_.encoder_.WriteResponseHead(head, end,
                                         {.to_head = to_head, .close = close, .http10 = http10});
  close = close || connection_.encoder_.until_close();
  Ended(end);
}

void ServerConnection::Stream::SendData(Buffer& data, bool end) {
  if (user == nullptr || !head_sent || ended) return data.Clear();
  connection_.encoder_.WriteBody(data, end);
  room_gone = SendRoom() == 0;
  Ended(end);
}

void ServerConnection::Stream::SendTrailers(const http::HeaderMap& trailers) {
  if (user == nullptr || !head_sent || ended) return;
  connection_.encoder_.WriteTrailers(trailers);
  Ended(true);
}

void ServerConnection::Stream::Ended(bool end) {
  ended = end;
  close = close || connection_.encoder_.broken();
  if (end && connection_.state_ == State::kUpgraded) connection_.wire_.ShutdownAfterOutput();
  connection_.wire_.Wake();
}

size_t ServerConnection::Stream::SendRoom() const {
  const size_t limit = connection_.options_.limits.send_buffer;
  const size_t waiting = connection_.wire_.out().size();
  return waiting < limit ? limit - waiting : 0;
}

void ServerConnection::Stream::Pull(size_t bytes) {
  credit = bytes > std::numeric_limits<size_t>::max() - credit ? std::numeric_limits<size_t>::max()
                                                               : credit + bytes;
  connection_.wire_.Wake();
}

void ServerConnection::Stream::Reset(Failure) {
  // Truncated, or never begun: the end of the connection shows it, because the framing is
  // incomplete.
  close = true;
  Detach();
}

void ServerConnection::Stream::Detach() {
  user = nullptr;
  open = false;
  connection_.wire_.Wake();
}

uint64_t ServerConnection::Stream::bytes_on_wire() const {
  const uint64_t written = connection_.wire_.written();
  return written > mark ? written - mark : 0;
}

size_t ServerConnection::Stream::held_bytes() const {
  return connection_.wire_.in().footprint() + connection_.wire_.out().footprint();
}

}  // namespace tulle::http1
