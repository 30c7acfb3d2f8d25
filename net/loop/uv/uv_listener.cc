// Listens and accepts; pauses when descriptors run out.
#include "net/loop/uv/uv_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop/uv/uv_socket.h"

namespace tulle::loop {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kRetryAfterShortage = std::chrono::milliseconds(50);

// A bound and listening descriptor, or negative errno.
int OpenDescriptor(const SocketAddress& at, const ListenOptions& options) {
  const int family = at.is_v6() ? AF_INET6 : AF_INET;
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.reuse_port) setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (at.is_v6()) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  WatchForDeadPeer(descriptor);
  if (::bind(descriptor, at.get(), at.length()) == 0 &&
      ::listen(descriptor, options.backlog) == 0) {
    return descriptor;
  }
  const int error = -errno;
  ::close(descriptor);
  return error;
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

UvListener::UvListener(uv_loop_t& loop, Loop& owner, int descriptor, ListenerEvents& events)
    : loop_(loop), owner_(owner), descriptor_(descriptor), events_(events) {
  retry_ = owner.NewTimer([this] { WatchIfWanted(); });
}

std::unique_ptr<UvListener> UvListener::Open(uv_loop_t& loop, Loop& owner, const SocketAddress& at,
                                             const ListenOptions& options, ListenerEvents& events,
                                             int* error) {
  const int descriptor = OpenDescriptor(at, options);
  if (descriptor < 0) {
    *error = descriptor;
    return nullptr;
  }
  std::unique_ptr<UvListener> listener(new UvListener(loop, owner, descriptor, events));
  listener->poll_ = Poll::Open(loop, owner.slab(), descriptor, *listener, error);
  if (listener->poll_ == nullptr) {
    ::close(descriptor);
    return nullptr;
  }
  listener->WatchIfWanted();
  return listener;
}

UvListener::~UvListener() {
  if (poll_ != nullptr) poll_->Close();
}

SocketAddress UvListener::LocalAddress() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(descriptor_, address, &length) != 0) return {};
  return SocketAddress::FromSockaddr(address);
}

void UvListener::Pause() {
  paused_ = true;
  WatchIfWanted();
}

void UvListener::Resume() {
  paused_ = false;
  WatchIfWanted();
}

void UvListener::WatchIfWanted() {
  poll_->SetEvents(paused_ || retry_->active() ? 0 : UV_READABLE);
}

void UvListener::OnPoll(int, int) {
  const Poll& poll = *poll_;  // outlives *this if a callback destroys it
  for (int i = 0; i < kAcceptsPerTurn && !poll.closed() && !paused_; ++i) {
    if (!AcceptOne()) break;
  }
  if (poll.closed()) return;
  WatchIfWanted();
}

bool UvListener::AcceptOne() {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int descriptor = ::accept4(descriptor_, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) {
    // New connections wait in the kernel's queue; existing ones continue.
    if (IsShortage(errno)) retry_->Start(kRetryAfterShortage);
    // Any error except "no connection left" concerns that one connection only: take the next.
    return errno != EAGAIN && errno != EWOULDBLOCK && !retry_->active();
  }
  int error = 0;
  std::unique_ptr<Socket> socket = UvSocket::Adopt(loop_, owner_.slab(), descriptor,
                                                   SocketAddress::FromSockaddr(address), &error);
  if (socket != nullptr) events_.OnAccept(std::move(socket));
  return true;
}

}  // namespace tulle::loop
