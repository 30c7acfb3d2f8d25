// The load client, on one thread:  client PORT --connections N --seconds S [--rate R] [--warmup S]
// [--requests N] [--hold]
//
// Without a rate each connection asks again as soon as it was answered (saturation); with one,
// requests are due at even times and the latency counts from the due time, so that waiting in line
// is not left out. --requests ends after so many answers. Prints one line of JSON.
// --hold opens the connections, asks once on each, prints "ready N" and waits for the end of stdin.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    "x-request-id: 0123456789abcdef\r\n\r\n";

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Options {
  int port = 0;
  size_t connections = 32;
  double seconds = 3;
  double warmup = 0;
  double rate = 0;
  uint64_t requests = 0;
  bool hold = false;
};

int Dial(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("client: cannot connect");
    std::exit(2);
  }
  const int one = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return descriptor;
}

// The size of the complete response at the start of `bytes`: 0 while it is incomplete, -1 if it is
// unexpected.
ssize_t ResponseSize(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::string_view head = bytes.substr(0, end);
  if (head.substr(0, 12) != "HTTP/1.1 200") return -1;
  for (const std::string_view name : {"\r\ncontent-length:", "\r\nContent-Length:"}) {
    const size_t at = head.find(name);
    if (at == std::string_view::npos) continue;
    const size_t whole = end + 4 + static_cast<size_t>(std::atoi(head.data() + at + name.size()));
    return bytes.size() >= whole ? static_cast<ssize_t>(whole) : 0;
  }
  return -1;
}

struct Connection {
  int descriptor = -1;
  bool busy = false;
  double due = 0;
  std::string unread;
  std::deque<double> waiting;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), poll_(epoll_create1(0)), connections_(options.connections) {
    for (size_t i = 0; i < connections_.size(); ++i) Open(i);
  }

  int Run();

 private:
  void Open(size_t index);
  void Ask(Connection* connection, double due);
  void AskWhatIsDue(double now);
  void Take(size_t index);
  void Answered(Connection* connection);
  bool Done(double now) const {
    return options_.requests != 0 ? ok_ >= options_.requests : now >= end_;
  }

  const Options options_;
  const int poll_;
  std::vector<Connection> connections_;
  std::vector<double> latencies_;
  uint64_t ok_ = 0;
  uint64_t failed_ = 0;
  double measured_from_ = 0;
  double end_ = 0;
  double next_due_ = 0;
  size_t turn_ = 0;
};

void Load::Open(size_t index) {
  Connection& connection = connections_[index];
  connection.descriptor = Dial(options_.port);
  connection.busy = false;
  connection.unread.clear();
  fcntl(connection.descriptor, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  epoll_ctl(poll_, EPOLL_CTL_ADD, connection.descriptor, &event);
}

void Load::Ask(Connection* connection, double due) {
  connection->busy = true;
  connection->due = due;
  if (send(connection->descriptor, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) ++failed_;
}

void Load::AskWhatIsDue(double now) {
  while (next_due_ <= now) {
    Connection& connection = connections_[turn_++ % connections_.size()];
    if (connection.busy) {
      connection.waiting.push_back(next_due_);
    } else {
      Ask(&connection, next_due_);
    }
    next_due_ += 1 / options_.rate;
  }
}

void Load::Answered(Connection* connection) {
  const double now = Now();
  connection->busy = false;
  if (connection->due >= measured_from_) {
    ++ok_;
    latencies_.push_back(now - connection->due);
  }
  if (options_.rate == 0) {
    Ask(connection, now);
  } else if (!connection->waiting.empty()) {
    const double due = connection->waiting.front();
    connection->waiting.pop_front();
    Ask(connection, due);
  }
}

void Load::Take(size_t index) {
  static char bytes[64 << 10];
  Connection& connection = connections_[index];
  const ssize_t size = read(connection.descriptor, bytes, sizeof bytes);
  if (size < 0) return;
  ssize_t whole = -1;
  if (size > 0) {
    connection.unread.append(bytes, static_cast<size_t>(size));
    while (connection.busy && (whole = ResponseSize(connection.unread)) > 0) {
      connection.unread.erase(0, static_cast<size_t>(whole));
      Answered(&connection);
    }
    if (whole >= 0) return;
  }
  ++failed_;
  close(connection.descriptor);
  Open(index);
  if (options_.rate == 0) Ask(&connection, Now());
}

int Load::Run() {
  const double begin = Now();
  measured_from_ = begin + options_.warmup;
  end_ = measured_from_ + options_.seconds;
  next_due_ = begin;
  if (options_.rate == 0) {
    for (Connection& connection : connections_) Ask(&connection, begin);
  }
  epoll_event events[256];
  for (double now = begin; !Done(now) && failed_ < 10000; now = Now()) {
    double wait = 0.1;
    if (options_.rate > 0) {
      AskWhatIsDue(now);
      wait = std::max(0.0, next_due_ - Now());
    }
    const timespec limit{
        static_cast<time_t>(wait),
        static_cast<long>((wait - static_cast<double>(static_cast<time_t>(wait))) * 1e9)};
    const int ready = epoll_pwait2(poll_, events, 256, &limit, nullptr);
    for (int i = 0; i < ready; ++i) Take(events[i].data.u64);
  }
  std::sort(latencies_.begin(), latencies_.end());
  const auto percentile = [this](double share) {
    return latencies_.empty()
               ? 0
               : latencies_[std::min(
                     latencies_.size() - 1,
                     static_cast<size_t>(share * static_cast<double>(latencies_.size())))] *
                     1e3;
  };
  std::printf("{\"ok\":%lu,\"failed\":%lu,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", ok_,
              failed_, Now() - measured_from_, percentile(.5), percentile(.99));
  return 0;
}

int Hold(const Options& options) {
  size_t served = 0;
  char bytes[4096];
  for (; served < options.connections; ++served) {
    const int descriptor = Dial(options.port);
    if (send(descriptor, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) break;
    std::string response;
    for (ssize_t size;
         ResponseSize(response) == 0 && (size = read(descriptor, bytes, sizeof bytes)) > 0;)
      response.append(bytes, static_cast<size_t>(size));
    if (ResponseSize(response) <= 0) break;
  }
  std::printf("ready %zu\n", served);
  std::fflush(stdout);
  while (read(0, bytes, sizeof bytes) > 0) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool understood = argc > 1 && (options.port = std::atoi(argv[1])) > 0;
  for (int i = 2; i < argc && understood; ++i) {
    const std::string_view option = argv[i];
    if (option == "--hold") {
      options.hold = true;
      continue;
    }
    const double value = i + 1 < argc ? std::atof(argv[++i]) : 0;
    if (option == "--connections")
      options.connections = static_cast<size_t>(value);
    else if (option == "--seconds")
      options.seconds = value;
    else if (option == "--warmup")
      options.warmup = value;
    else if (option == "--rate")
      options.rate = value;
    else if (option == "--requests")
      options.requests = static_cast<uint64_t>(value);
    else
      understood = false;
  }
  if (!understood || options.connections == 0) {
    std::fprintf(stderr,
                 "usage: client PORT [--connections N] [--seconds S] [--warmup S] [--rate R] "
                 "[--requests N] [--hold]\n");
    return 2;
  }
  return options.hold ? Hold(options) : Load(options).Run();
}
