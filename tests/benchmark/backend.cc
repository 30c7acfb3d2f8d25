// A cheap origin on one thread:  backend PORT
// Responds to each HTTP/1.1 request without a body with the same 1 KiB.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr size_t kBodySize = 1024;

int Listen(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int one = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(descriptor, 4096) != 0) {
    std::perror("backend: cannot listen");
    std::exit(1);
  }
  return descriptor;
}

void Watch(int poll, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
}

// Counts the ends of heads in the received bytes, across reads: `matched` is how much of the blank
// line was seen.
int CountRequests(std::string_view bytes, int* matched) {
  static constexpr std::string_view kEnd = "\r\n\r\n";
  int count = 0;
  for (const char c : bytes) {
    *matched = c == kEnd[static_cast<size_t>(*matched)] ? *matched + 1 : (c == '\r' ? 1 : 0);
    if (*matched == 4) {
      ++count;
      *matched = 0;
    }
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: backend PORT\n");
    return 2;
  }
  const std::string response =
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nserver: bench\r\ncontent-length: " +
      std::to_string(kBodySize) + "\r\n\r\n" + std::string(kBodySize, 'x');
  const int listener = Listen(std::atoi(argv[1]));
  const int poll = epoll_create1(0);
  Watch(poll, listener);
  std::unordered_map<int, int> matched;
  static char bytes[64 << 10];
  epoll_event events[256];
  for (;;) {
    const int ready = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = events[i].data.fd;
      if (descriptor == listener) {
        for (int peer; (peer = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          const int one = 1;
          setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          matched[peer] = 0;
          Watch(poll, peer);
        }
        continue;
      }
      const ssize_t size = read(descriptor, bytes, sizeof bytes);
      bool alive = size > 0;
      for (int left =
               alive ? CountRequests({bytes, static_cast<size_t>(size)}, &matched[descriptor]) : 0;
           left > 0 && alive; --left) {
        // 1 KiB always fits an idle socket's buffer.
        alive = send(descriptor, response.data(), response.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(response.size());
      }
      if (!alive) {
        close(descriptor);
        matched.erase(descriptor);
      }
    }
  }
}
