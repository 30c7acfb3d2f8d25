// System calls on sockets, and readiness by uv_poll.
#include "net/loop/uv/uv_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop/uv/tcp_counters.h"

namespace tulle::loop {
namespace {

// <linux/netfilter_ipv4.h> and its IPv6 counterpart clash with the C library's headers.
constexpr int kOriginalDestination = 80;

SocketAddress LocalAddressOf(int descriptor) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(descriptor, address, &length) != 0) return {};
  return SocketAddress::FromSockaddr(address);
}

}  // namespace

void WatchForDeadPeer(int descriptor) {
  const int on = 1;
  const int idle_seconds = 60;
  const int interval_seconds = 10;
  const int probes = 3;
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

std::unique_ptr<UvSocket> UvSocket::Adopt(uv_loop_t& loop, Slab& slab, int descriptor,
                                          const SocketAddress& peer, int* error) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::unique_ptr<UvSocket> socket(new UvSocket(descriptor, peer));
  socket->poll_ = Poll::Open(loop, slab, descriptor, *socket, error);
  if (socket->poll_ != nullptr) return socket;
  ::close(descriptor);
  return nullptr;
}

UvSocket::~UvSocket() {
  if (poll_ != nullptr) poll_->Close();
}

void UvSocket::Watch(SocketEvents* events, bool readable, bool writable) {
  events_ = events;
  wanted_ = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  // When reading is disabled, the descriptor stays watched until something arrives. A connection
  // that pauses reading for each request then costs no system call.
  poll_->SetEvents(wanted_ | (poll_->events() & UV_READABLE));
}

void UvSocket::OnPoll(int status, int events) {
  if (status < 0) events = UV_READABLE | UV_WRITABLE;
  const int told = events & wanted_;
  if (told != events && status == 0) poll_->SetEvents(wanted_);
  if (told == 0) return;
  const Poll& poll = *poll_;  // outlives *this if a callback destroys it
  if (status < 0) {
    events_->OnSocketReady(-EIO, true, true);
  } else {
    events_->OnSocketReady(0, (told & UV_READABLE) != 0, (told & UV_WRITABLE) != 0);
  }
  if (poll.closed()) return;
  if (status < 0) poll_->SetEvents(wanted_);  // level-triggered, also after libuv has stopped
}

ssize_t UvSocket::Readv(std::span<const iovec> into) {
  ssize_t count;
  do {
    count = ::readv(descriptor_, into.data(), static_cast<int>(into.size()));
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

ssize_t UvSocket::Writev(std::span<const iovec> from) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(from.data());
  message.msg_iovlen = from.size();
  ssize_t count;
  do {
    count = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

int UvSocket::ShutdownWrite() { return ::shutdown(descriptor_, SHUT_WR) == 0 ? 0 : -errno; }

int UvSocket::TakeError() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  return -error;
}

void UvSocket::ResetOnClose() {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

SocketAddress UvSocket::LocalAddress() const {
  // During a connect the kernel may not have chosen the address yet.
  if (!local_.is_set() || local_.port() == 0) local_ = LocalAddressOf(descriptor_);
  return local_;
}

SocketAddress UvSocket::OriginalDestination() const {
  const SocketAddress local = LocalAddress();
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int level = local.is_v6() ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP);
  if (getsockopt(descriptor_, level, kOriginalDestination, &storage, &length) != 0) return {};
  const auto original = SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage));
  // A connection that is tracked but was not redirected reports its own address.
  return original == local ? SocketAddress() : original;
}

bool UvSocket::RestoreDestination() {
  const SocketAddress original = OriginalDestination();
  if (original.is_set()) local_ = original;
  return original.is_set();
}

std::optional<uint64_t> UvSocket::AcknowledgedBytes() { return AcknowledgedBytesOf(descriptor_); }

int UvSocket::PeekPending() {
  char byte;
  const ssize_t count = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count >= 0) return 1;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : 1;
}

std::unique_ptr<Socket> ConnectUvSocket(uv_loop_t& loop, Slab& slab, const SocketAddress& to,
                                        const SocketAddress& source, int* error) {
  const int family = to.is_v6() ? AF_INET6 : AF_INET;
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    *error = -errno;
    return nullptr;
  }
  WatchForDeadPeer(descriptor);
  bool failed = false;
  if (source.is_set()) {
    const int on = 1;  // a bound source without port uses no ephemeral port before connect
    setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    failed = ::bind(descriptor, source.get(), source.length()) != 0;
  }
  failed = failed || (::connect(descriptor, to.get(), to.length()) != 0 && errno != EINPROGRESS);
  if (failed) {
    *error = -errno;
    ::close(descriptor);
    return nullptr;
  }
  return UvSocket::Adopt(loop, slab, descriptor, to, error);
}

}  // namespace tulle::loop
