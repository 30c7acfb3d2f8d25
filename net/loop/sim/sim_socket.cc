#include "net/loop/sim/sim_socket.h"

#include <errno.h>

#include <utility>

namespace tulle::sim {

SimSocket::SimSocket(SimLoop& loop, std::shared_ptr<Connection> connection, int side)
    : loop_(loop), connection_(std::move(connection)), side_(side) {
  connection_->SetObserver(side_, this);
  loop_.Own(*this);
}

SimSocket::~SimSocket() { connection_->Close(side_, reset_); }

void SimSocket::Watch(loop::SocketEvents* events, bool readable, bool writable) {
  events_ = events;
  want_read_ = readable;
  want_write_ = writable;
  OnEndChanged();
}

bool SimSocket::IsReady() const {
  if (want_read_ && connection_->IsReadable(side_)) return true;
  return want_write_ && connection_->IsWritable(side_);
}

void SimSocket::OnEndChanged() {
  if (IsReady()) loop_.Queue(*this);
}

void SimSocket::Deliver() {
  loop_.Queue(*this);  // stays queued until a turn finds it no longer ready
  if (connection_->HasError(side_)) return events_->OnSocketReady(-EIO, true, true);
  events_->OnSocketReady(0, want_read_ && connection_->IsReadable(side_),
                         want_write_ && connection_->IsWritable(side_));
}

void SimSocket::Crash() {
  want_read_ = want_write_ = false;
  connection_->Close(side_, true);
}

SimListener::SimListener(SimLoop& loop, size_t backlog, loop::ListenerEvents& events)
    : loop_(loop), backlog_(backlog), events_(events) {
  loop_.Own(*this);
}

std::unique_ptr<SimListener> SimListener::Open(SimLoop& loop, SocketAddress at,
                                               const loop::ListenOptions& options,
                                               loop::ListenerEvents& events, int* error) {
  std::unique_ptr<SimListener> listener(
      new SimListener(loop, static_cast<size_t>(options.backlog), events));
  *error = loop.network().Bind(loop.host(), at, options.reuse_port, *listener);
  if (*error != 0) return nullptr;
  listener->at_ = at;
  return listener;
}

SimListener::~SimListener() { Crash(); }

void SimListener::Resume() {
  paused_ = false;
  if (IsReady()) loop_.Queue(*this);
}

bool SimListener::Offer(std::shared_ptr<Connection> connection) {
  if (waiting_.size() >= backlog_) return false;
  waiting_.push_back(std::move(connection));
  if (IsReady()) loop_.Queue(*this);
  return true;
}

// One connection per visit: the callback may do anything, even to this listener, because it is the
// last step.
void SimListener::Deliver() {
  loop_.Queue(*this);
  std::shared_ptr<Connection> connection = std::move(waiting_.front());
  waiting_.pop_front();
  events_.OnAccept(std::make_unique<SimSocket>(loop_, std::move(connection), 1));
}

void SimListener::Crash() {
  if (at_.is_set()) loop_.network().Unbind(loop_.host(), at_, *this);
  at_ = {};
  for (auto& connection : waiting_) connection->Close(1, true);
  waiting_.clear();
}

}  // namespace tulle::sim
