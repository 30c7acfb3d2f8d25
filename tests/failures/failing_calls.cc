#include "tests/failures/failing_calls.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace tulle::failures {
std::string_view NameOf(Call call) {
  constexpr std::string_view kNames[] = {"readv",       "sendmsg",  "accept4",    "socket",
                                         "connect",     "shutdown", "setsockopt", "getsockopt",
                                         "getsockname", "epoll_ctl"};
  return kNames[static_cast<size_t>(call)];
}

void FailingCalls::WatchThisThread() { watched_ = ::pthread_self(); }

void FailingCalls::Arm(Call call, Fault fault, int nth, int times) {
  fault_ = fault;
  struck_ = false;
  to_pass_ = nth - 1;
  to_fail_ = times;
  call_ = call;
}

bool FailingCalls::Disarm() {
  call_ = Call::kCount;
  return struck_;
}

const Fault* FailingCalls::Strike(Call call) {
  if (call_ != call || !::pthread_equal(watched_, ::pthread_self())) return nullptr;
  if (to_pass_.fetch_sub(1) > 0) return nullptr;
  if (to_fail_.fetch_sub(1) <= 0) return nullptr;
  struck_ = true;
  return &fault_;
}

FailingCalls& Calls() {
  static FailingCalls calls;
  return calls;
}

namespace {

// Fails the call or passes it on by system call number, because the C library's names are taken.
template <typename... Arguments>
long Pass(Call call, long number, Arguments... arguments) {
  const Fault* fault = Calls().Strike(call);
  if (fault == nullptr) return ::syscall(number, arguments...);
  errno = fault->error;
  return -1;
}

// As much of the pieces as `most` bytes.
struct Shortened {
  Shortened(const iovec* pieces, int count, uint32_t most) {
    for (int i = 0; i < count && most > 0 && size < static_cast<int>(all.size()); ++i) {
      all[static_cast<size_t>(size)] = pieces[i];
      iovec& piece = all[static_cast<size_t>(size++)];
      piece.iov_len = std::min<size_t>(piece.iov_len, most);
      most -= static_cast<uint32_t>(piece.iov_len);
    }
  }
  std::array<iovec, 8> all{};
  int size = 0;
};

}  // namespace
}  // namespace tulle::failures

using tulle::failures::Call;
using tulle::failures::Calls;
using tulle::failures::Fault;
using tulle::failures::Pass;
using tulle::failures::Shortened;

extern "C" {

ssize_t readv(int descriptor, const iovec* pieces, int count) {
  const Fault* fault = Calls().Strike(Call::kReadv);
  if (fault == nullptr) return ::syscall(SYS_readv, descriptor, pieces, count);
  if (fault->most > 0) {
    const Shortened some(pieces, count, fault->most);
    return ::syscall(SYS_readv, descriptor, some.all.data(), some.size);
  }
  errno = fault->error;
  return -1;
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  const Fault* fault = Calls().Strike(Call::kSendmsg);
  if (fault == nullptr) return ::syscall(SYS_sendmsg, descriptor, message, flags);
  if (fault->most > 0) {
    Shortened some(message->msg_iov, static_cast<int>(message->msg_iovlen), fault->most);
    msghdr part = *message;
    part.msg_iov = some.all.data();
    part.msg_iovlen = static_cast<size_t>(some.size);
    return ::syscall(SYS_sendmsg, descriptor, &part, flags);
  }
  // A writer that was reset reads the end.
  if (fault->error == ECONNRESET) ::syscall(SYS_shutdown, descriptor, SHUT_RDWR);
  errno = fault->error;
  return -1;
}

int accept4(int descriptor, sockaddr* address, socklen_t* length, int flags) {
  return static_cast<int>(Pass(Call::kAccept4, SYS_accept4, descriptor, address, length, flags));
}

int socket(int domain, int type, int protocol) noexcept {
  return static_cast<int>(Pass(Call::kSocket, SYS_socket, domain, type, protocol));
}

int connect(int descriptor, const sockaddr* address, socklen_t length) {
  return static_cast<int>(Pass(Call::kConnect, SYS_connect, descriptor, address, length));
}

int shutdown(int descriptor, int how) noexcept {
  return static_cast<int>(Pass(Call::kShutdown, SYS_shutdown, descriptor, how));
}

int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
  return static_cast<int>(
      Pass(Call::kSetsockopt, SYS_setsockopt, descriptor, level, name, value, size));
}

int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) noexcept {
  return static_cast<int>(
      Pass(Call::kGetsockopt, SYS_getsockopt, descriptor, level, name, value, size));
}

int getsockname(int descriptor, sockaddr* address, socklen_t* length) noexcept {
  return static_cast<int>(Pass(Call::kGetsockname, SYS_getsockname, descriptor, address, length));
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) noexcept {
  const bool trial = operation == EPOLL_CTL_ADD && event != nullptr && event->data.fd == -1;
  if (!trial)
    return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, descriptor, event));
  return static_cast<int>(
      Pass(Call::kEpollAdd, SYS_epoll_ctl, epoll, operation, descriptor, event));
}

}  // extern "C"
