#include "k8s/api/client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace tulle::k8s {
namespace {

constexpr uint32_t kStreamWindow = 1024 * 1024;
constexpr size_t kHeadBytes = 64 * 1024;

grpc::ChannelOptions ChannelOptions() {
  grpc::ChannelOptions options;
  options.http2.limits.stream_window = kStreamWindow;
  options.http2.limits.head_bytes = kHeadBytes;
  options.http2.connection_window = 4 * kStreamWindow;
  // A watch may be silent for minutes.
  options.http2.keepalive_interval = std::chrono::seconds(10);
  options.http2.keepalive_timeout = std::chrono::seconds(10);
  return options;
}

}  // namespace

Client::Client(loop::Loop& loop, grpc::Channel::Connect connect, Options options,
               OnProblem on_problem)
    : loop_(loop),
      options_(std::move(options)),
      on_problem_(std::move(on_problem)),
      channel_(loop, std::move(connect), ChannelOptions(), *this) {
  reconnect_ = loop_.NewTimer([this] { Reconnect(); });
}

Client::~Client() = default;

void Client::Start() { channel_.Start(); }

void Client::Await(Waiter& waiter) {
  LeaveExhausted();
  if (!waiter.linked()) waiters_.PushBack(waiter);
}

// The server takes no more requests on this connection: it has announced its end, and waits for the
// watches.
void Client::LeaveExhausted() {
  if (channel_.exhausted() && !reconnect_->active()) reconnect_->Start({});
}

std::unique_ptr<Exchange> Client::Open(const Request& request, loop::Duration timeout,
                                       ExchangeEvents& events) {
  if (!ready()) {
    LeaveExhausted();
    return nullptr;
  }
  const auto token = options_.token.Read();
  if (!token.ok()) on_problem_(std::string(token.status().message()));
  auto exchange =
      std::make_unique<Exchange>(loop_, channel_.connection(), request, options_.authority,
                                 token.ok() ? *token : "", timeout, events);
  exchanges_.PushBack(*exchange);
  return exchange;
}

std::unique_ptr<Call> Client::Send(const Request& request, Call::Done done) {
  auto call = std::make_unique<Call>(options_.largest_body, std::move(done));
  call->Start(loop_, Open(request, options_.call_timeout, call->events()));
  return call;
}

void Client::OnChannelReady() {
  IntrusiveList<Waiter> waiters;
  while (!waiters_.empty()) waiters.PushBack(waiters_.PopFront());
  while (!waiters.empty() && ready()) waiters.PopFront().OnClientReady();
  while (!waiters.empty()) waiters_.PushBack(waiters.PopFront());
}

void Client::OnChannelLost(Failure why) {
  if (is_leaving_) return;
  std::string text = absl::StrReplaceAll(std::string(why.facts().cause), {{"_", " "}});
  if (!why) text = "connection closed";
  if (*why.detail != '\0') absl::StrAppend(&text, ": ", why.detail);
  on_problem_(absl::StrCat("the API server ", options_.authority, " cannot be reached (", text,
                           "); retrying"));
}

// A connection that is closed tells its streams nothing.
void Client::Reconnect() {
  while (!exchanges_.empty()) exchanges_.front().Fail("the API server ends the connection");
  is_leaving_ = true;
  channel_.Reconnect();
  is_leaving_ = false;
}

}  // namespace tulle::k8s
