// The progress of a client connection: sending a request, reading its response, reuse or close.
#include "net/http1/client_connection.h"

#include <cassert>
#include <utility>

namespace tulle::http1 {
namespace {
constexpr Failure Broken(const char* detail) { return {FailureKind::kUpstreamProtocol, detail}; }
}  // namespace

ClientConnection::ClientConnection(loop::Loop& loop, loop::Deadlines& deadlines,
                                   std::unique_ptr<Transport> transport,
                                   http::ClientConnectionEvents& events,
                                   const ClientOptions& options)
    : events_(events),
      options_(options),
      wire_(loop, deadlines, std::move(transport), *this),
      parser_(Parser::Kind::kResponse, options_.limits),
      encoder_(wire_.out()),
      stream_(*this) {}

ClientConnection::~ClientConnection() = default;

void ClientConnection::Start() {}

size_t ClientConnection::StreamRoom() const {
  return state_ == State::kIdle && !draining_ && !wire_.ended() && !stream_.open ? 1 : 0;
}

http::Stream& ClientConnection::Open(http::StreamEvents& events) {
  assert(StreamRoom() > 0);
  used_ = true;
  bytes_seen_ = false;
  state_ = State::kHead;
  stream_.Clear();
  stream_.open = true;
  stream_.user = &events;
  return stream_;
}

void ClientConnection::Drain() {
  draining_ = true;
  wire_.Wake();
}

void ClientConnection::Close() {
  state_ = State::kClosing;
  told_closed_ = true;
  stream_.user = nullptr;
  wire_.Close(false);
}

void ClientConnection::OnWireReady() {
  state_ = State::kIdle;
  wire_.WantInput(true);
  if (draining_) return wire_.Wake();
  events_.OnConnectionReady();
}

void ClientConnection::OnWireInput() { Advance(); }

void ClientConnection::OnWireFailed(Failure failure) {
  if (state_ == State::kConnecting || state_ == State::kIdle) {
    CloseNow(failure, true);
    return;
  }
  // The bytes received before may still complete a response.
  Advance();
}

void ClientConnection::OnWireTurn() {
  Advance();
  if (wire_.closed()) NotifyClosed();
}

void ClientConnection::OnWireOutput() {
  if (!stream_.room_gone || stream_.SendRoom() == 0) return;
  stream_.room_gone = false;
  if (stream_.takes_content()) stream_.user->OnSendRoom();
}

void ClientConnection::OnWireClosed() { NotifyClosed(); }

void ClientConnection::NotifyClosed() {
  if (told_closed_ || stream_.open) return;
  told_closed_ = true;
  events_.OnConnectionClosed(why_);
}

void ClientConnection::Advance() {
  bool more = true;
  while (more) {
    switch (state_) {
      case State::kConnecting:
        more = draining_ && CloseNow({}, false);
        break;
      case State::kIdle:
        more = WatchIdle();
        break;
      case State::kHead:
        more = stream_.user == nullptr ? Abandon()
               : stream_.tunnel        ? BeginTunnel()
                                       : MayReceive() && ReceiveHead();
        break;
      case State::kContent:
        more = stream_.user == nullptr ? Abandon() : MayReceive() && ReceiveContent();
        break;
      case State::kReceived:
        more = FinishExchange();
        break;
      case State::kUpgraded:
        more = stream_.user == nullptr ? LeaveUpgraded() : ReceiveBytes();
        break;
      case State::kClosing:
        more = false;
        break;
    }
  }
}

bool ClientConnection::WatchIdle() {
  if (!wire_.in().empty()) return CloseNow(Broken("unsolicited bytes"), true);
  if (wire_.ended() || draining_) return CloseNow({}, false);
  wire_.WantInput(true);
  return false;
}

Failure ClientConnection::EndBeforeHead() {
  if (bytes_seen_) return Broken("the response ended within its head");
  if (stream_.bytes_on_wire() == 0) return {FailureKind::kUpstreamClosedUnused, ""};
  if (wire_.transport().ClosedUnreadSince(stream_.wire_mark))
    return {FailureKind::kUpstreamClosedUnread, ""};
  return {wire_.failed() ? FailureKind::kUpstreamReset : FailureKind::kUpstreamClosed, ""};
}

bool ClientConnection::MayReceive() {
  if (!stream_.refused) return true;
  return Fail({FailureKind::kInternal, "request cannot be encoded as HTTP/1.1"});
}

bool ClientConnection::ReceiveHead() {
  bytes_seen_ = bytes_seen_ || !wire_.in().empty();
  // For example the final response of a server that closes an idle connection.
  if (bytes_seen_ && stream_.bytes_on_wire() == 0) {
    return Fail(
        {FailureKind::kUpstreamClosedUnused, "unsolicited bytes before the request was written"});
  }
  const Parser::Status status = parser_.ReadHead(wire_.in(), stream_.user->arena());
  if (status == Parser::Status::kFailed) return Fail(parser_.failure());
  if (status == Parser::Status::kDone) return FinishHead();
  if (wire_.ended()) return Fail(EndBeforeHead());
  wire_.WantInput(true);
  return false;
}

bool ClientConnection::FinishHead() {
  http::Head& head = *parser_.message().head;
  if (head.status < 200) {
    if (head.status == 101) return FinishUpgrade(head);
    if (++stream_.interims > options_.limits.interim_responses) {
      return Fail(Broken("too many interim responses"));
    }
    stream_.user->OnInterim(head);
    return true;
  }
  const bool end = parser_.message().framing == Framing::kNone;
  state_ = end ? State::kReceived : State::kContent;
  stream_.user->OnHeaders(head, end);
  return true;
}

// RFC 9110 7.8: only if the request asked for it, and not before the whole request was sent.
bool ClientConnection::FinishUpgrade(http::Head& head) {
  if (stream_.upgrade.empty()) return Fail(Broken("unsolicited upgrade"));
  if (!http::EqualsIgnoreCase(head.upgrade, stream_.upgrade))
    return Fail(Broken("upgrade to a protocol that was not requested"));
  if (!stream_.ended || !wire_.out().empty())
    return Fail(Broken("upgrade before the end of the request"));
  BeginBytes(head);
  return true;
}

bool ClientConnection::BeginTunnel() {
  if (wire_.ended()) return Fail(EndBeforeHead());
  Arena& arena = stream_.user->arena();
  auto& head = *arena.New<http::Head>(arena);
  head.status = 200;
  head.upgrade = kConnect;
  BeginBytes(head);
  return true;
}

void ClientConnection::BeginBytes(http::Head& head) {
  state_ = State::kUpgraded;
  stream_.ended = false;
  encoder_.BeginBytes();
  stream_.user->OnHeaders(head, false);
}

bool ClientConnection::ReceiveBytes() {
  if (unwelcome_) return Fail(kPeerRevoked);
  Buffer bytes(wire_.in().slab());
  const bool end = wire_.TakeBytes(stream_.credit, bytes) && !stream_.bytes_ended;
  stream_.credit -= bytes.size();
  stream_.bytes_ended = stream_.bytes_ended || end;
  const bool any = !bytes.empty() || end;
  if (any) stream_.user->OnData(bytes, end);
  if (wire_.failed()) return Fail({FailureKind::kUpstreamTruncated, "after the upgrade"});
  return any;
}

bool ClientConnection::LeaveUpgraded() {
  if (stream_.open) return false;  // OnReset was called; Detach follows
  if (!stream_.ended || !stream_.bytes_ended) return CloseNow({}, true);
  state_ = State::kClosing;
  wire_.CloseAfterOutput(kFinalFlushTimeout);
  return false;
}

void ClientConnection::ResetUpgraded() {
  unwelcome_ = true;
  wire_.Wake();
}

bool ClientConnection::ReceiveContent() {
  Buffer content(wire_.in().slab());
  const Parser::Status status =
      parser_.ReadBody(wire_.in(), stream_.user->arena(), stream_.credit, content);
  stream_.credit -= content.size();
  const bool done =
      status == Parser::Status::kDone || (status == Parser::Status::kMore && wire_.ended() &&
                                          !wire_.failed() && parser_.EndsWithConnection());
  if (done) state_ = State::kReceived;
  const bool trailers = done && parser_.trailers() != nullptr;
  if (!content.empty() || (done && !trailers)) stream_.user->OnData(content, done && !trailers);
  if (trailers && stream_.user != nullptr) stream_.user->OnTrailers(*parser_.trailers());
  if (done) return true;
  if (state_ != State::kContent || stream_.user == nullptr) return true;
  if (status == Parser::Status::kFailed) {
    return Fail({FailureKind::kUpstreamTruncated, parser_.failure().detail});
  }
  if (status == Parser::Status::kBlocked) {
    wire_.WantInput(false);
    return stream_.credit > 0;
  }
  if (wire_.ended()) return Fail({FailureKind::kUpstreamTruncated, ""});
  wire_.WantInput(true);
  return false;
}

bool ClientConnection::FinishExchange() {
  stream_.cut = stream_.cut || !stream_.ended;
  const bool clean = !stream_.cut && !encoder_.broken() && wire_.out().empty() &&
                     wire_.in().empty() && !wire_.ended() && parser_.message().keep_alive;
  if (stream_.open) {
    // A response that came before its request was sent ends the upload.
    if (stream_.cut) wire_.out().Clear();
    wire_.WantInput(wire_.in().empty());
    return false;
  }
  if (!clean || draining_) return CloseNow({}, false);
  return BecomeIdle();
}

bool ClientConnection::Abandon() {
  if (stream_.open) return false;  // OnReset was called; Detach follows
  if (stream_.withdrawn && !bytes_seen_ && !wire_.ended() && stream_.bytes_on_wire() == 0) {
    wire_.out().Clear();
    return BecomeIdle();
  }
  if (stream_.ended && !stream_.withdrawn && !wire_.ended()) {  // send the complete request
    state_ = State::kClosing;
    wire_.CloseAfterOutput(options_.close_timeout);
    return false;
  }
  return CloseNow({}, true);
}

bool ClientConnection::BecomeIdle() {
  parser_.Reset();
  state_ = State::kIdle;
  if (draining_) return true;
  wire_.WantInput(true);
  // Last, because a stream may be opened from there.
  events_.OnStreamRoom();
  return state_ != State::kIdle;
}

bool ClientConnection::Fail(Failure failure) {
  state_ = State::kClosing;
  why_ = failure;
  wire_.Close(true);
  if (http::StreamEvents* user = std::exchange(stream_.user, nullptr)) user->OnReset(failure);
  wire_.Wake();
  return false;
}

bool ClientConnection::CloseNow(Failure why, bool reset) {
  state_ = State::kClosing;
  why_ = why;
  wire_.Close(reset);
  wire_.Wake();
  return false;
}

}  // namespace tulle::http1
