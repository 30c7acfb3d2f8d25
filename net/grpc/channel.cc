#include "net/grpc/channel.h"

#include <algorithm>
#include <utility>

#include "net/http2/connection.h"

namespace tulle::grpc {

Channel::Channel(loop::Loop& loop, Connect connect, const ChannelOptions& options,
                 ChannelEvents& events)
    : loop_(loop),
      connect_(std::move(connect)),
      options_(options),
      events_(events),
      cap_(options.first_backoff) {
  timer_ = loop.NewTimer([this] {
    if (connection_ == nullptr) return Attempt();
    DropConnection();
    events_.OnChannelLost({FailureKind::kConnectTimeout});
    Retry();
  });
}

Channel::~Channel() { DropConnection(); }

void Channel::Start() { Attempt(); }

std::unique_ptr<ClientCall> Channel::NewCall(std::string_view path, ClientCallEvents& events) {
  return std::make_unique<ClientCall>(loop_, *connection_, OptionsFor(path), events);
}

std::unique_ptr<UnaryCall> Channel::NewUnaryCall(std::string_view path, std::string_view request,
                                                 loop::Duration timeout, UnaryCall::Done done) {
  CallOptions options = OptionsFor(path);
  options.timeout = timeout;
  return std::make_unique<UnaryCall>(loop_, *connection_, options, request, std::move(done));
}

CallOptions Channel::OptionsFor(std::string_view path) const {
  CallOptions options;
  options.path = path;
  options.authority = options_.authority;
  options.scheme = options_.scheme;
  options.metadata = options_.metadata;
  return options;
}

void Channel::Reconnect() {
  const bool ready = was_ready_;
  DropConnection();
  if (ready) events_.OnChannelLost({});
  Attempt();
}

void Channel::Attempt() {
  std::unique_ptr<Transport> transport = connect_();
  if (transport == nullptr) return Retry();
  timer_->Start(options_.connect_timeout);
  connection_ = http2::NewClientConnection(loop_, std::move(transport), *this, options_.http2);
  connection_->Start();
}

void Channel::OnConnectionReady() {
  timer_->Stop();
  was_ready_ = true;
  ready_since_ = loop_.Now();
  events_.OnChannelReady();
}

void Channel::OnConnectionClosed(Failure why) {
  // A server that accepts and then closes is subject to the back-off too.
  if (was_ready_ && loop_.Now() - ready_since_ >= cap_) cap_ = options_.first_backoff;
  DropConnection();
  events_.OnChannelLost(why);
  Retry();
}

void Channel::DropConnection() {
  was_ready_ = false;
  timer_->Stop();
  if (connection_ == nullptr) return;
  connection_->Close();
  loop_.DeferDelete(std::move(connection_));
}

void Channel::Retry() {
  const auto wait = loop_.random().Below(static_cast<uint64_t>(cap_.count()) + 1);
  timer_->Start(loop::Duration(static_cast<int64_t>(wait)));
  cap_ = std::min(cap_ * 2, options_.last_backoff);
}

}  // namespace tulle::grpc
