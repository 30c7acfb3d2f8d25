// Test connections: a child process that dials as another user, and listeners that see where it
// arrives.
#include "k8s/init/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace tulle::init {
namespace {

constexpr int kOriginalDestination = 80;  // SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST
constexpr int kLongestCallMilliseconds = 5000;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address ToAddress(const Target& target) {
  Address address;
  if (target.family == Family::kV4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(target.port);
    inet_pton(AF_INET, target.address.c_str(), &v4->sin_addr);
    address.length = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(target.port);
    inet_pton(AF_INET6, target.address.c_str(), &v6->sin6_addr);
    address.length = sizeof(sockaddr_in6);
  }
  return address;
}

Target ToTarget(const Address& address) {
  Target target;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    target.port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    target.family = Family::kV6;
    target.port = ntohs(v6->sin6_port);
  }
  target.address = text;
  return target;
}

int NewSocket(Family family, int type) {
  return socket(family == Family::kV4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);
}

bool WaitFor(int descriptor, short events, std::chrono::milliseconds within) {
  pollfd each{descriptor, events, 0};
  return poll(&each, 1, static_cast<int>(within.count())) > 0;
}

// A port for a connection, whatever source address it will use.
uint16_t BindAnywhere(int descriptor, Family family) {
  Address any;  // zeros: every address, any port
  any.storage.ss_family = family == Family::kV4 ? AF_INET : AF_INET6;
  any.length = family == Family::kV4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (bind(descriptor, any.get(), any.length) != 0) return 0;
  if (getsockname(descriptor, any.get(), &any.length) != 0) return 0;
  // At the same offset in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&any.storage)->sin_port);
}

// Until the parent has closed its end of the line, at most that long; also until `descriptor` is
// connected, unless it is negative.
void WaitForParent(int line, int descriptor) {
  pollfd each[] = {{line, POLLIN, 0}, {descriptor, POLLOUT, 0}};
  poll(each, 2, kLongestCallMilliseconds);
}

// Runs in the child, with system calls only: reports its port, waits for a byte, connects, reports.
// It ends by itself when the parent closes the line: the parent may not have the capability KILL,
// which a signal to a process of another user needs.
[[noreturn]] void Call(uint32_t id, Address to, Family family, int line) {
  // The kernel takes a socket's owner from its creator.
  const bool became =
      (id != 0 && geteuid() == id) ||
      (setgroups(0, nullptr) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
  const int descriptor = NewSocket(family, SOCK_STREAM | SOCK_NONBLOCK);
  const uint16_t port = became ? BindAnywhere(descriptor, family) : 0;
  char word = 'c';
  if (write(line, &port, sizeof(port)) != sizeof(port) || port == 0) _exit(1);
  if (read(line, &word, 1) != 1) _exit(0);
  const bool is_under_way = connect(descriptor, to.get(), to.length) == 0 || errno == EINPROGRESS;
  if (write(line, &word, 1) != 1 || !is_under_way) _exit(0);
  WaitForParent(line, descriptor);
  // Connected: stays until the other side has checked it.
  WaitForParent(line, -1);
  _exit(0);
}

}  // namespace

Listener::Listener(const Target& at)
    : family_(at.family), descriptor_(NewSocket(at.family, SOCK_STREAM)) {
  const int on = 1;
  setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (family_ == Family::kV6) setsockopt(descriptor_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  Address address = ToAddress(at);
  if (bind(descriptor_, address.get(), address.length) != 0 || listen(descriptor_, 16) != 0) {
    error_ = errno;
  }
}

Listener::~Listener() {
  if (descriptor_ >= 0) close(descriptor_);
}

Target Listener::address() const {
  Address address;
  getsockname(descriptor_, address.get(), &address.length);
  return ToTarget(address);
}

std::optional<Listener::Arrival> Listener::Accept(std::chrono::milliseconds within) {
  if (!WaitFor(descriptor_, POLLIN, within)) return std::nullopt;
  const int accepted = accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  if (accepted < 0) return std::nullopt;
  Arrival arrival;
  Address original;
  const int level = family_ == Family::kV4 ? static_cast<int>(IPPROTO_IP) : IPPROTO_IPV6;
  if (getsockopt(accepted, level, kOriginalDestination, &original.storage, &original.length) == 0) {
    arrival.original = ToTarget(original);
  }
  close(accepted);
  return arrival;
}

Caller::Caller(uint32_t id, const Target& to) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  const Address address = ToAddress(to);
  child_ = fork();
  if (child_ == 0) {
    close(ends[0]);
    Call(id, address, to.family, ends[1]);
  }
  close(ends[1]);
  line_ = ends[0];
  if (read(line_, &port_, sizeof(port_)) != sizeof(port_)) port_ = 0;
}

void Caller::Dial() {
  char word = 'd';
  if (send(line_, &word, 1, MSG_NOSIGNAL) != 1) return;
  if (read(line_, &word, 1) != 1) return;  // the child has exited: nothing will arrive
}

Caller::~Caller() {
  if (line_ >= 0) close(line_);
  if (child_ <= 0) return;
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool HasRouteTo(const Target& target) {
  const int probe = NewSocket(target.family, SOCK_DGRAM);
  Address address = ToAddress(target);
  const bool has_route = connect(probe, address.get(), address.length) == 0;
  if (probe >= 0) close(probe);
  return has_route;
}

}  // namespace tulle::init
