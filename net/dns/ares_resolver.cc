// Runs c-ares on its own thread and passes questions and answers between threads.
#include "net/dns/ares_resolver.h"

#include <ares.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/dns/ares_channels.h"
#include "net/dns/usable_address.h"

namespace tulle::dns {
namespace {

constexpr size_t kMaxAddresses = 64;
constexpr int kLongestPollMilliseconds = 1000;

// c-ares requires it once per process.
absl::Status InitLibrary() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  if (status == ARES_SUCCESS) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("c-ares: ", ares_strerror(status)));
}

// The asker of a question, and whether it still wants the answer.
struct Pending {
  std::string host;
  Family family = Family::kAuto;
  Resolver::Answered done;  // the loop's thread alone
  bool servers_only = false;
};
using PendingPointer = std::shared_ptr<Pending>;

class AresQuestion final : public Resolver::Question {
 public:
  explicit AresQuestion(PendingPointer pending) : pending_(std::move(pending)) {}
  ~AresQuestion() override { pending_->done = nullptr; }

 private:
  PendingPointer pending_;
};

// The shortest TTL of all records that led to the addresses: an alias may change before they do.
std::chrono::seconds TtlOf(const ares_addrinfo& found) {
  int ttl = std::numeric_limits<int>::max();
  for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
    ttl = std::min(ttl, node->ai_ttl);
  }
  for (const auto* alias = found.cnames; alias != nullptr; alias = alias->next) {
    ttl = std::min(ttl, alias->ttl);
  }
  return std::chrono::seconds(std::max(ttl, 0));
}

// In the order of preference of the family.
Answer ToAnswer(const Pending& pending, const ares_addrinfo* found) {
  std::vector<SocketAddress> v4;
  std::vector<SocketAddress> v6;
  for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    const auto address = UsableAddress(SocketAddress::FromSockaddr(node->ai_addr).WithPort(0));
    if (!address) continue;
    auto& list = address->is_v6() ? v6 : v4;
    if (std::find(list.begin(), list.end(), *address) == list.end()) list.push_back(*address);
  }
  // The same addresses in another order are the same answer.
  std::sort(v4.begin(), v4.end());
  std::sort(v6.begin(), v6.end());
  Answer answer;
  switch (pending.family) {
    case Family::kV4Only:
      answer.addresses = v4;
      break;
    case Family::kV6Only:
      answer.addresses = v6;
      break;
    case Family::kV4Preferred:
      answer.addresses = v4.empty() ? v6 : v4;
      break;
    case Family::kAuto:
      answer.addresses = v6.empty() ? v4 : v6;
      break;
    case Family::kAll:
      answer.addresses = v4;
      answer.addresses.insert(answer.addresses.end(), v6.begin(), v6.end());
      break;
  }
  if (answer.addresses.size() > kMaxAddresses) answer.addresses.resize(kMaxAddresses);
  answer.ttl = TtlOf(*found);
  if (answer.addresses.empty()) {
    answer.error = absl::StrCat(pending.host,
                                ": no usable address: check what its "
                                "DNS server returns");
  }
  return answer;
}

Answer Failed(const Pending& pending, int status) {
  Answer answer;
  answer.error = absl::StrCat("cannot resolve ", pending.host, ": ", ares_strerror(status),
                              "; check the name, and the DNS servers of this machine");
  return answer;
}

class AresResolver final : public Resolver {
 public:
  AresResolver(loop::Loop& loop, const AresOptions& options)
      : loop_(loop), wake_(eventfd(0, EFD_CLOEXEC)), channels_(options) {}
  ~AresResolver() override;

  absl::Status Start();
  std::unique_ptr<Question> Ask(std::string_view host, Family family, Answered done) override;

 private:
  // Identifies the question in a c-ares callback.
  struct Running {
    AresResolver* resolver;
    AresChannels* channels;
    PendingPointer pending;
  };

  static void OnDone(void* argument, int status, int timeouts, ares_addrinfo* found);
  void Run();
  void Begin(PendingPointer pending, AresChannels& channels);
  void Tell(const PendingPointer& pending, Answer answer);
  void Poll();
  void Wake() const;

  loop::Loop& loop_;
  const int wake_;
  ReloadingChannels channels_;  // only thread_ uses it while that runs
  std::thread thread_;
  std::mutex mutex_;
  std::deque<PendingPointer> asked_;  // guarded by mutex_
  bool is_ending_ = false;            // guarded by mutex_
  // Answers still queued for the loop when this is destroyed are dropped.
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

absl::Status AresResolver::Start() {
  absl::Status status = InitLibrary();
  if (status.ok()) status = channels_.Start();
  if (status.ok()) thread_ = std::thread([this] { Run(); });
  return status;
}

AresResolver::~AresResolver() {
  *is_alive_ = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_ending_ = true;
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  channels_.Clear();
  close(wake_);
}

void AresResolver::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

std::unique_ptr<Resolver::Question> AresResolver::Ask(std::string_view host, Family family,
                                                      Answered done) {
  auto pending = std::make_shared<Pending>();
  pending->host = host;
  pending->family = family;
  pending->done = std::move(done);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_.push_back(pending);
  }
  Wake();
  return std::make_unique<AresQuestion>(std::move(pending));
}

void AresResolver::Tell(const PendingPointer& pending, Answer answer) {
  loop_.Post([alive = is_alive_, pending, answer = std::move(answer)]() mutable {
    if (!*alive) return;
    Answered done = std::exchange(pending->done, nullptr);
    if (done) done(std::move(answer));
  });
}

void AresResolver::Begin(PendingPointer pending, AresChannels& channels) {
  ares_addrinfo_hints hints{};
  hints.ai_family = pending->family == Family::kV4Only   ? AF_INET
                    : pending->family == Family::kV6Only ? AF_INET6
                                                         : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;
  const ares_channel channel =
      pending->servers_only ? channels.by_servers() : channels.by_hosts_file();
  const std::string host = pending->host;
  ++channels.under_way;
  ares_getaddrinfo(channel, host.c_str(), nullptr, &hints, &AresResolver::OnDone,
                   new Running{this, &channels, std::move(pending)});
}

void AresResolver::OnDone(void* argument, int status, int, ares_addrinfo* found) {
  const std::unique_ptr<Running> running(static_cast<Running*>(argument));
  AresResolver& self = *running->resolver;
  const PendingPointer& pending = running->pending;
  --running->channels->under_way;
  if (status == ARES_EDESTRUCTION) return;
  Answer answer = found == nullptr ? Failed(*pending, status) : ToAnswer(*pending, found);
  if (found != nullptr) ares_freeaddrinfo(found);
  if (answer.addresses.empty() && !pending->servers_only && status == ARES_SUCCESS) {
    // Started from the thread's own loop, not from within c-ares.
    pending->servers_only = true;
    const std::lock_guard<std::mutex> lock(self.mutex_);
    self.asked_.push_back(pending);
    self.Wake();
    return;
  }
  self.Tell(pending, std::move(answer));
}

void AresResolver::Run() {
  while (true) {
    std::deque<PendingPointer> asked;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (is_ending_) return;
      asked.swap(asked_);
    }
    if (!asked.empty()) {
      AresChannels& channels = channels_.Newest();
      for (PendingPointer& pending : asked) Begin(std::move(pending), channels);
    }
    Poll();
  }
}

void AresResolver::Poll() {
  std::vector<pollfd> waits = {{wake_, POLLIN, 0}};
  std::vector<ares_channel> owners = {nullptr};
  int longest = kLongestPollMilliseconds;
  const std::vector<ares_channel> channels = channels_.All();
  for (ares_channel channel : channels) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      short events = 0;
      if (ARES_GETSOCK_READABLE(bits, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(bits, i)) events |= POLLOUT;
      if (events == 0) continue;
      waits.push_back({sockets[i], events, 0});
      owners.push_back(channel);
    }
    timeval most{kLongestPollMilliseconds / 1000, 0};
    timeval next{};
    const timeval* wait = ares_timeout(channel, &most, &next);
    longest =
        std::min<int>(longest, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
  }
  poll(waits.data(), waits.size(), longest);
  if ((waits[0].revents & POLLIN) != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t read_bytes = read(wake_, &count, sizeof(count));
  }
  for (size_t i = 1; i < waits.size(); ++i) {
    const bool is_readable = (waits[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
    const bool is_writable = (waits[i].revents & POLLOUT) != 0;
    if (!is_readable && !is_writable) continue;
    ares_process_fd(owners[i], is_readable ? waits[i].fd : ARES_SOCKET_BAD,
                    is_writable ? waits[i].fd : ARES_SOCKET_BAD);
  }
  // Handles timeouts.
  for (ares_channel channel : channels) {
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Resolver>> NewAresResolver(loop::Loop& loop,
                                                          const AresOptions& options) {
  auto resolver = std::make_unique<AresResolver>(loop, options);
  const absl::Status status = resolver->Start();
  if (!status.ok()) return status;
  return resolver;
}

}  // namespace tulle::dns
