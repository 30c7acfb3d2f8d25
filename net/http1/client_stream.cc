#include <limits>

#include "net/http1/client_connection.h"

// The sending side of a request. Nothing here calls back: consequences are handled at the end of
// the turn.
namespace tulle::http1 {

void ClientConnection::Stream::Clear() {
  user = nullptr;
  open = head_sent = ended = refused = withdrawn = cut = room_gone = bytes_ended = false;
  tunnel = false;
  upgrade = {};
  credit = interims = 0;
  mark = connection_.wire_.queued();
  wire_mark = connection_.wire_.transport().wire_bytes_written();
}

void ClientConnection::Stream::SendHeaders(const http::Head& head, bool end) {
  if (user == nullptr || head_sent) return;
  if (head.method == kConnect) {
    head_sent = tunnel = true;
    return Ended(end);
  }
  connection_.parser_.set_bodiless(head.method == "HEAD");
  head_sent = connection_.encoder_.WriteRequestHead(head, end);
  refused = !head_sent;
  if (!head.upgrade.empty()) upgrade = user->arena().Copy(head.upgrade);
  Ended(end);
}

void ClientConnection::Stream::SendData(Buffer& data, bool end) {
  if (!takes_content() || connection_.state_ == State::kReceived) {
    data.Clear();
    return Ended(ended || end);
  }
  connection_.encoder_.WriteBody(data, end);
  room_gone = SendRoom() == 0;
  Ended(end);
}

void ClientConnection::Stream::SendTrailers(const http::HeaderMap& trailers) {
  if (!takes_content()) return;
  connection_.encoder_.WriteTrailers(trailers);
  Ended(true);
}

void ClientConnection::Stream::Ended(bool end) {
  ended = end;
  if (connection_.encoder_.broken()) refused = true;
  if (end && connection_.state_ == State::kUpgraded) connection_.wire_.ShutdownAfterOutput();
  connection_.wire_.Wake();
}

size_t ClientConnection::Stream::SendRoom() const {
  const size_t limit = connection_.options_.limits.send_buffer;
  const size_t waiting = connection_.wire_.out().size();
  return waiting < limit ? limit - waiting : 0;
}

void ClientConnection::Stream::Pull(size_t bytes) {
  credit = bytes > std::numeric_limits<size_t>::max() - credit ? std::numeric_limits<size_t>::max()
                                                               : credit + bytes;
  connection_.wire_.Wake();
}

void ClientConnection::Stream::Reset(Failure) {
  withdrawn = true;
  Detach();
}

void ClientConnection::Stream::Detach() {
  user = nullptr;
  open = false;
  connection_.wire_.Wake();
}

uint64_t ClientConnection::Stream::bytes_on_wire() const {
  const uint64_t written = connection_.wire_.written();
  return written > mark ? written - mark : 0;
}

size_t ClientConnection::Stream::held_bytes() const {
  return connection_.wire_.in().footprint() + connection_.wire_.out().footprint();
}

}  // namespace tulle::http1
