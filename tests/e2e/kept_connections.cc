// Load through a sidecar to an upstream that ends kept-alive connections as it likes: both are
// here, so that each request's number is known on both sides.
//
//   kept_connections LISTEN SIDECAR METHOD REQUESTS CONNECTIONS MODE
//
// MODE close: after an answer the upstream may close (FIN) within 2 ms, unless a request has come.
// MODE reset: it may read a request to its end and reset, without an answer.
// Prints {"requests": N, "failures": N, "twice": N, "ended": N}: failures are what the client did
// not get 200 for, `twice` is how many requests the upstream has read more than once.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

class Upstream {
 public:
  Upstream(int port, size_t requests, bool resets) : seen_(requests), resets_(resets) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = Loopback(port);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      Die("bind");
    listen(listener_, 1024);
    epoll_ = epoll_create1(0);
    Watch(listener_);
  }

  // An upstream has a machine of its own: where it may, it does not wait for the load's threads
  // between its last look at a connection and close(). What comes there its kernel answers by RST.
  void Run(const std::atomic<bool>& stop) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -19);
    while (!stop) {
      epoll_event events[64];
      const int count = epoll_wait(epoll_, events, 64, 1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) {
          Accept();
        } else {
          Serve(events[i].data.fd);
        }
      }
      EndDue();
    }
  }

  uint64_t twice() const {
    uint64_t count = 0;
    for (const auto& one : seen_) count += one > 1 ? 1 : 0;
    return count;
  }
  uint64_t ended() const { return ended_; }

 private:
  struct Connection {
    std::string input;
    Clock::time_point ends{};  // unset: stays
  };

  void Watch(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  }

  void Accept() {
    while (true) {
      const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (descriptor < 0) return;
      const int on = 1;
      setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_[descriptor] = {};
      Watch(descriptor);
    }
  }

  void Drop(int descriptor, bool reset) {
    const linger abort{1, 0};
    if (reset) setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close(descriptor);
    connections_.erase(descriptor);
  }

  // False: there was nothing, or the connection is gone.
  bool Serve(int descriptor) {
    const auto found = connections_.find(descriptor);
    if (found == connections_.end()) return false;
    Connection& connection = found->second;
    char bytes[4096];
    const ssize_t size = recv(descriptor, bytes, sizeof bytes, 0);
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) {
      Drop(descriptor, false);
      return true;
    }
    connection.input.append(bytes, static_cast<size_t>(size));
    connection.ends = {};  // not while it is asked
    const size_t end = connection.input.find("\r\n\r\n");
    if (end == std::string::npos) return true;
    const bool has_body = connection.input.compare(0, 4, "POST") == 0;
    if (connection.input.size() < end + 4 + (has_body ? 4 : 0)) return true;
    Answer(descriptor, connection);
    return true;
  }

  void Answer(int descriptor, Connection& connection) {
    const char* name = "x-id: ";
    const size_t at = connection.input.find(name);
    const auto id =
        static_cast<size_t>(std::atoll(connection.input.c_str() + at + std::strlen(name)));
    ++seen_[id];
    connection.input.clear();
    if (resets_ && random_() % 20 == 0) {
      ++ended_;
      return Drop(descriptor, true);
    }
    static constexpr char kAnswer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    if (send(descriptor, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL) < 0)
      return Drop(descriptor, false);
    if (resets_ || random_() % 25 != 0) return;
    connection.ends = Clock::now() + std::chrono::microseconds(random_() % 2000);
    ending_.push_back(descriptor);
  }

  // A request that has come is served first; one that comes now finds the connection closed.
  void EndDue() {
    const auto now = Clock::now();
    for (size_t i = 0; i < ending_.size();) {
      const int descriptor = ending_[i];
      const auto found = connections_.find(descriptor);
      if (found != connections_.end() && found->second.ends > now) {
        ++i;
        continue;
      }
      ending_[i] = ending_.back();
      ending_.pop_back();
      if (found == connections_.end() || found->second.ends == Clock::time_point()) continue;
      found->second.ends = {};
      if (Serve(descriptor)) continue;
      ++ended_;
      Drop(descriptor, false);
    }
  }

  std::vector<uint8_t> seen_;
  const bool resets_;
  int listener_ = -1;
  int epoll_ = -1;
  std::map<int, Connection> connections_;
  std::vector<int> ending_;
  std::mt19937 random_{7};
  uint64_t ended_ = 0;
};

class Client {
 public:
  explicit Client(int port) : port_(port) {}
  ~Client() { Drop(); }

  bool Ask(bool post, size_t id) {
    if (socket_ < 0 && !Connect()) return false;
    char request[256];
    const int size = std::snprintf(
        request, sizeof request, "%s / HTTP/1.1\r\nHost: a\r\nx-id: %zu\r\n%s\r\n%s",
        post ? "POST" : "GET", id, post ? "Content-Length: 4\r\n" : "", post ? "body" : "");
    if (send(socket_, request, static_cast<size_t>(size), MSG_NOSIGNAL) != size) {
      Drop();
      return false;
    }
    return Answered();
  }

 private:
  bool Connect() {
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const sockaddr_in address = Loopback(port_);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return true;
    Drop();
    return false;
  }

  bool Answered() {
    std::string answer;
    while (true) {
      char bytes[4096];
      const ssize_t size = recv(socket_, bytes, sizeof bytes, 0);
      if (size <= 0) {
        Drop();
        return false;
      }
      answer.append(bytes, static_cast<size_t>(size));
      const size_t end = answer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      size_t length = 0;
      for (const char* name : {"content-length: ", "Content-Length: "}) {
        const size_t at = answer.find(name);
        if (at < end)
          length = static_cast<size_t>(std::atoi(answer.c_str() + at + std::strlen(name)));
      }
      if (answer.size() >= end + 4 + length) return answer.compare(0, 12, "HTTP/1.1 200") == 0;
    }
  }

  void Drop() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  const int port_;
  int socket_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: %s LISTEN SIDECAR METHOD REQUESTS CONNECTIONS close|reset\n",
                 argv[0]);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  const bool post = std::string(argv[3]) == "POST";
  const auto requests = static_cast<size_t>(std::atoll(argv[4]));
  const auto clients = static_cast<size_t>(std::atoi(argv[5]));
  Upstream upstream(std::atoi(argv[1]), requests, std::string(argv[6]) == "reset");
  std::atomic<bool> stop{false};
  std::thread serving([&] { upstream.Run(stop); });
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> failures{0};
  std::vector<std::thread> asking;
  for (size_t i = 0; i < clients; ++i) {
    asking.emplace_back([&] {
      Client client(std::atoi(argv[2]));
      for (size_t id = next++; id < requests; id = next++) {
        if (!client.Ask(post, id)) ++failures;
      }
    });
  }
  for (std::thread& thread : asking) thread.join();
  stop = true;
  serving.join();
  std::printf("{\"requests\": %zu, \"failures\": %llu, \"twice\": %llu, \"ended\": %llu}\n",
              requests, static_cast<unsigned long long>(failures),
              static_cast<unsigned long long>(upstream.twice()),
              static_cast<unsigned long long>(upstream.ended()));
  return 0;
}
