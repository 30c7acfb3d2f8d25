// The progress of a server connection: reading requests, sending responses, draining, upgrades.
#include "net/http1/server_connection.h"

#include <cassert>
#include <limits>
#include <utility>

namespace tulle::http1 {

ServerConnection::ServerConnection(loop::Loop& loop, loop::Deadlines& deadlines,
                                   std::unique_ptr<Transport> transport,
                                   http::ServerConnectionEvents& events,
                                   const ServerOptions& options)
    : deadlines_(deadlines),
      events_(events),
      options_(options),
      wire_(loop, deadlines, std::move(transport), *this),
      parser_(Parser::Kind::kRequest, options_.limits),
      encoder_(wire_.out()),
      stream_(*this),
      discard_arena_(loop.slab()),
      deadline_(this, [](void* self) { static_cast<ServerConnection*>(self)->OnDeadline(); }) {
  parser_.set_http10(options_.http10);
}

ServerConnection::~ServerConnection() = default;

void ServerConnection::Start(Buffer& early) {
  wire_.in().Append(early);
  WaitForInput();
  wire_.Wake();
}

void ServerConnection::Drain() {
  draining_ = true;
  wire_.Wake();
}

void ServerConnection::Close() {
  state_ = State::kClosing;
  told_closed_ = true;
  stream_.user = nullptr;
  deadline_.Clear();
  wire_.Close(false);
}

void ServerConnection::OnWireInput() {
  // A peer that closes before it has its response cancels the request.
  const bool left = wire_.ended() && state_ == State::kReceived && !stream_.ended;
  if (left) return Refuse({FailureKind::kDownstreamClosed, ""});
  Advance();
}

void ServerConnection::OnWireFailed(Failure failure) {
  ResetStream({FailureKind::kDownstreamClosed, failure.detail});
  Abort(failure);
}

void ServerConnection::Abort(Failure why) {
  state_ = State::kClosing;
  why_ = why;
  wire_.Close(true);
  wire_.Wake();
}

void ServerConnection::ResetUpgraded() {
  unwelcome_ = true;
  wire_.Wake();
}

void ServerConnection::OnWireTurn() {
  Advance();
  if (wire_.closed()) NotifyClosed();
}

void ServerConnection::OnWireOutput() {
  if (stream_.room_gone && stream_.SendRoom() > 0) {
    stream_.room_gone = false;
    if (stream_.user != nullptr && !stream_.ended) stream_.user->OnSendRoom();
  }
  // Without a deadline, Begin() has not waited for a request yet: responses held it back.
  const bool was_held_back = !wire_.in().empty() || !deadline_.is_set();
  if (state_ == State::kIdle && was_held_back) wire_.Wake();
}

void ServerConnection::OnWireClosed() { NotifyClosed(); }

void ServerConnection::NotifyClosed() {
  if (told_closed_ || stream_.open) return;
  told_closed_ = true;
  deadline_.Clear();
  events_.OnConnectionClosed(why_);
}

void ServerConnection::Advance() {
  bool more = true;
  while (more) {
    switch (state_) {
      case State::kIdle:
        more = Begin();
        break;
      case State::kHead:
        more = ReceiveHead();
        break;
      case State::kContent:
        more = ReceiveContent();
        break;
      case State::kReceived:
        more = FinishRequest();
        break;
      case State::kDiscard:
        more = Discard();
        break;
      case State::kUpgraded:
        more = ReceiveBytes();
        break;
      case State::kClosing:
        more = false;
        break;
    }
  }
}

bool ServerConnection::Begin() {
  // Unread responses hold back the requests behind them.
  if (wire_.out().size() > options_.limits.send_buffer) {
    wire_.WantInput(false);
    return false;
  }
  const Parser::Status status = parser_.SkipToMessage(wire_.in());
  if (status == Parser::Status::kFailed) {
    Refuse(parser_.failure());
    return false;
  }
  if (status == Parser::Status::kMore) {
    // A request that has already arrived is still served while draining.
    if (draining_ && !std::exchange(looked_once_more_, true) && wire_.ReadNow()) return true;
    if (wire_.ended() || draining_) {
      CloseAfterOutput({});
      return false;
    }
    if (!deadline_.is_set() && options_.idle_timeout.count() > 0) {
      deadlines_.Set(deadline_, options_.idle_timeout);
    }
    WaitForInput();
    return false;
  }
  deadline_.Clear();
  stream_.Clear();
  stream_.open = true;
  state_ = State::kHead;
  stream_.user = events_.OnStream(stream_);
  if (stream_.user != nullptr) return true;
  stream_.open = false;
  CloseAfterOutput({});
  return false;
}

bool ServerConnection::ReceiveHead() {
  if (stream_.user == nullptr) {  // the client closed before a request began
    CloseAfterOutput({});
    return false;
  }
  const Parser::Status status = parser_.ReadHead(wire_.in(), stream_.user->arena());
  if (status == Parser::Status::kFailed) {
    Refuse(parser_.failure());
    return false;
  }
  if (status == Parser::Status::kMore) {
    if (wire_.ended()) {
      Refuse({FailureKind::kDownstreamClosed, ""});
      return false;
    }
    if (!deadline_.is_set()) StartHeadTimeout();
    WaitForInput();
    return false;
  }
  deadline_.Clear();
  const Message& message = parser_.message();
  // The bytes after a CONNECT are meant for the tunnel. If there is none, never read them as a
  // request.
  stream_.close = !message.keep_alive || message.head->method == "CONNECT";
  stream_.to_head = message.head->method == "HEAD";
  stream_.http10 = message.head->version == http::Version::kHttp10;
  stream_.expects_continue = message.head->expects_continue;
  stream_.upgrade_wanted = message.head->upgrade_wanted;
  const bool end = message.framing == Framing::kNone;
  state_ = end ? State::kReceived : State::kContent;
  stream_.user->OnHeaders(*message.head, end);
  return true;
}

bool ServerConnection::ReceiveContent() {
  if (stream_.user == nullptr) return FinishRequest();
  Buffer content(wire_.in().slab());
  const Parser::Status status =
      parser_.ReadBody(wire_.in(), stream_.user->arena(), stream_.credit, content);
  stream_.credit -= content.size();
  const bool done = status == Parser::Status::kDone;
  if (done) state_ = State::kReceived;
  const bool trailers = done && parser_.trailers() != nullptr;
  if (!content.empty() || (done && !trailers)) stream_.user->OnData(content, done && !trailers);
  if (trailers && stream_.user != nullptr) stream_.user->OnTrailers(*parser_.trailers());
  if (done || state_ == State::kClosing) return done;
  if (status == Parser::Status::kFailed) {
    Refuse(parser_.failure());
    return false;
  }
  if (stream_.user == nullptr) return FinishRequest();
  if (status == Parser::Status::kBlocked) {
    wire_.WantInput(false);
    return stream_.credit > 0;
  }
  if (wire_.ended()) {
    Refuse({FailureKind::kDownstreamClosed, ""});
    return false;
  }
  WaitForInput();
  return false;
}

bool ServerConnection::FinishRequest() {
  if (stream_.open) {  // the response, or its sender, is not finished
    if (state_ == State::kReceived) WaitForInput();
    return false;
  }
  // The end of the connection would make it look complete.
  const bool is_cut = stream_.head_sent && !stream_.ended && encoder_.until_close();
  if (is_cut) return Abort({}), false;
  if (!stream_.ended || stream_.close || draining_ || wire_.ended() || UpgradeAnticipated()) {
    CloseAfterOutput({});
    return false;
  }
  if (state_ == State::kContent) {
    if (parser_.in_trailers()) {  // begun in the arena of the previous request
      CloseAfterOutput({});
      return false;
    }
    state_ = State::kDiscard;
    discarded_ = 0;
    deadlines_.Set(deadline_, options_.head_timeout);
    return true;
  }
  parser_.Reset();
  discard_arena_.Clear();
  state_ = State::kIdle;
  return true;
}

bool ServerConnection::Discard() {
  Buffer dropped(wire_.in().slab());
  const size_t credit = options_.discard_bytes - discarded_;
  const Parser::Status status = parser_.ReadBody(wire_.in(), discard_arena_, credit, dropped);
  discarded_ += dropped.size();
  if (status == Parser::Status::kDone) {
    deadline_.Clear();
    state_ = State::kReceived;
    return true;
  }
  if (status == Parser::Status::kMore && !wire_.ended()) {
    WaitForInput();
  } else {
    CloseAfterOutput({});
  }
  return false;
}

// A proxy in front of us may have taken these bytes, perhaps another client's, for those of an
// upgraded connection: they are not a request.
bool ServerConnection::UpgradeAnticipated() {
  return stream_.upgrade_wanted && state_ == State::kReceived &&
         (!wire_.in().empty() || wire_.ReadNow());
}

bool ServerConnection::ReceiveBytes() {
  if (stream_.user == nullptr) return LeaveUpgraded();
  if (unwelcome_) {
    ResetStream(kPeerRevoked);
    Abort(kPeerRevoked);
    return false;
  }
  Buffer bytes(wire_.in().slab());
  const bool end = wire_.TakeBytes(stream_.credit, bytes) && !stream_.bytes_ended;
  if (bytes.empty() && !end) return false;
  stream_.credit -= bytes.size();
  stream_.bytes_ended = stream_.bytes_ended || end;
  stream_.user->OnData(bytes, end);
  return true;
}

bool ServerConnection::LeaveUpgraded() {
  if (stream_.open) return false;  // OnReset was called; Detach follows
  if (stream_.ended && stream_.bytes_ended) {
    state_ = State::kClosing;
    wire_.CloseAfterOutput(kFinalFlushTimeout);
  } else {
    Abort({});
  }
  return false;
}

void ServerConnection::StartHeadTimeout() {
  if (options_.head_timeout.count() > 0) deadlines_.Set(deadline_, options_.head_timeout);
}

void ServerConnection::WaitForInput() {
  // Keeps reading while a response is pending, to see the peer close; pipelined requests stay in
  // the buffer.
  wire_.WantInput(state_ != State::kReceived || wire_.in().empty());
}

void ServerConnection::ResetStream(Failure failure) {
  if (http::StreamEvents* user = std::exchange(stream_.user, nullptr)) user->OnReset(failure);
}

void ServerConnection::Refuse(Failure failure) {
  state_ = State::kClosing;
  if (!stream_.head_sent && failure.facts().status != 0) {
    const http::HeaderMap* headers =
        stream_.user == nullptr ? nullptr : stream_.user->RefusalHeaders(failure);
    encoder_.WriteErrorReply(failure, headers);
  }
  ResetStream(failure);
  CloseAfterOutput(failure);
}

void ServerConnection::CloseAfterOutput(Failure why) {
  state_ = State::kClosing;
  why_ = why;
  deadline_.Clear();
  wire_.CloseAfterOutput(options_.close_timeout);
}

void ServerConnection::OnDeadline() {
  if (state_ == State::kHead) return Refuse({FailureKind::kRequestHeadersTimeout, ""});
  CloseAfterOutput({});
}

}  // namespace tulle::http1
