// The shop's customers:  load HOST:PORT [--host NAME] [--rate N] [--seconds S] [--threads N]
// [--only blog] [--path TARGET] [--requests N]
//
// --only blog: nothing but GET /blog, for counting who answers.
// --path TARGET: nothing but GET TARGET, whatever the body; --requests: that many, then the end.
// Sends GET and POST in turn, every second request on a new connection, checks each body and never
// sends anything twice. Each second, and at the end, one line of JSON on stdout; ends after S
// seconds, or on SIGTERM when S is 0.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/shop/goods.h"
#include "tests/shop/wire.h"

namespace tulle::shop {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> stopped{false};

// The events of one period.
struct Count {
  uint64_t sent = 0;
  uint64_t failed = 0;
  uint64_t on_new_connections = 0;
  uint64_t posts = 0;
  std::map<std::string, uint64_t> reasons;
  std::map<std::string, uint64_t> served_by;
  std::vector<double> milliseconds;

  void Add(const Count& other) {
    sent += other.sent;
    failed += other.failed;
    on_new_connections += other.on_new_connections;
    posts += other.posts;
    for (const auto& [name, n] : other.reasons) reasons[name] += n;
    for (const auto& [name, n] : other.served_by) served_by[name] += n;
    milliseconds.insert(milliseconds.end(), other.milliseconds.begin(), other.milliseconds.end());
  }
};

std::string Json(const std::map<std::string, uint64_t>& map) {
  std::string out = "{";
  for (const auto& [name, n] : map)
    out += (out.size() > 1 ? ",\"" : "\"") + name + "\":" + std::to_string(n);
  return out + "}";
}

double Percentile(std::vector<double>* values, double share) {
  if (values->empty()) return 0;
  const size_t index = std::min(values->size() - 1,
                                static_cast<size_t>(share * static_cast<double>(values->size())));
  std::nth_element(values->begin(), values->begin() + static_cast<ptrdiff_t>(index), values->end());
  return (*values)[index];
}

void Print(const char* what, double seconds, Count count) {
  std::printf(
      "{\"what\":\"%s\",\"seconds\":%.3f,\"sent\":%lu,\"failed\":%lu,\"posts\":%lu,\"new_"
      "connections\":%lu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
      "\"served_by\":%s,\"reasons\":%s}\n",
      what, seconds, count.sent, count.failed, count.posts, count.on_new_connections,
      Percentile(&count.milliseconds, .5), Percentile(&count.milliseconds, .99),
      Json(count.served_by).c_str(), Json(count.reasons).c_str());
  std::fflush(stdout);
}

struct Errand {
  Request request;
  std::string expected;
};

// Which requests to send.
struct LoadOptions {
  std::string host = "gateway";
  bool only_blog = false;
  std::string path;  // if not empty, nothing else
};

Errand Compose(uint64_t number, const LoadOptions& options) {
  Errand order;
  order.request.headers = {{"host", options.host},
                           {"authorization", "token-" + std::to_string(number % 97)}};
  const uint64_t id = number % 1000;
  if (!options.path.empty()) {
    order.request.method = "GET";
    order.request.target = options.path;
    return order;
  }
  switch (options.only_blog ? 1 : number / 2 % 8) {
    case 0:
    case 2:
    case 4:
      order.request.method = "POST";
      order.request.target = "/pay";
      break;
    case 6:
      order.request.method = "POST";
      order.request.target = "/blog";
      break;
    case 7:
      order.request.method = "GET";
      order.request.target = "/image/" + std::to_string(id);
      order.expected = Image(id);
      return order;
    default:
      order.request.method = "GET";
      order.request.target = "/blog/" + std::to_string(id);
      order.expected = PostText(id);
      return order;
  }
  order.request.body = Order(number, 64 + number % 4000);
  order.expected = Receipt(order.request.body);
  return order;
}

// One customer: a thread with one kept connection beside the new ones.
class Customer {
 public:
  Customer(Address address, LoadOptions options, uint64_t first)
      : address_(std::move(address)), options_(std::move(options)), next_(first) {}

  void SendOne();
  Count TakeCount() {
    const std::lock_guard lock(mutex_);
    return std::exchange(count_, Count{});
  }

 private:
  std::string Exchange(const Errand& order, bool fresh, Response* response);

  const Address address_;
  const LoadOptions options_;
  uint64_t next_;
  std::unique_ptr<Wire> kept_;
  std::mutex mutex_;
  Count count_;
};

// The reason of failure, or nothing.
std::string Customer::Exchange(const Errand& order, bool fresh, Response* response) {
  std::unique_ptr<Wire> wire;
  if (!fresh && kept_ && kept_->IsIdle()) wire = std::move(kept_);
  if (!wire) wire = Wire::Dial(address_);
  if (!wire) return "connection refused";
  if (!wire->Send(Format(order.request))) return "cannot send";
  if (!wire->ReadResponse(response)) return "no response";
  const bool closes = response->headers["connection"].find("close") != std::string::npos;
  if (!fresh && !closes) kept_ = std::move(wire);
  if (response->status != 200) return "status " + std::to_string(response->status);
  const bool right = !options_.path.empty() || response->body == order.expected;
  return right ? "" : "wrong body";
}

void Customer::SendOne() {
  const uint64_t number = next_++;
  const bool fresh = number % 2 == 0;
  Errand order = Compose(number, options_);
  if (fresh) order.request.headers["connection"] = "close";
  const Clock::time_point begin = Clock::now();
  Response response;
  const std::string reason = Exchange(order, fresh, &response);
  const double spent = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();

  const std::lock_guard lock(mutex_);
  ++count_.sent;
  count_.milliseconds.push_back(spent);
  if (fresh) ++count_.on_new_connections;
  if (order.request.method == "POST") ++count_.posts;
  const auto server = response.headers.find("x-served-by");
  if (server != response.headers.end()) ++count_.served_by[server->second];
  if (reason.empty()) return;
  ++count_.failed;
  ++count_
        .reasons[order.request.method + " " +
                 order.request.target.substr(0, order.request.target.find('/', 1)) + ": " + reason];
}

// `left`: of requests for all customers together.
void Work(Customer* customer, double rate, std::atomic<int64_t>* left) {
  const auto pause =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
  Clock::time_point due = Clock::now();
  while (!stopped && left->fetch_sub(1) > 0) {
    customer->SendOne();
    due += pause;
    // After a stall, the lost time is not made up for by a burst of more than a second's worth.
    due = std::max(due, Clock::now() - std::chrono::seconds(1));
    std::this_thread::sleep_until(due);
  }
}

int Run(int argc, char** argv) {
  const auto address = argc > 1 ? ParseAddress(argv[1]) : std::nullopt;
  LoadOptions options;
  std::atomic<int64_t> left{std::numeric_limits<int64_t>::max()};
  double rate = 400;
  double seconds = 0;
  int threads = 8;
  bool understood = address.has_value() && argc % 2 == 0;
  for (int i = 2; understood && i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--host")
      options.host = argv[i + 1];
    else if (option == "--rate")
      rate = std::atof(argv[i + 1]);
    else if (option == "--seconds")
      seconds = std::atof(argv[i + 1]);
    else if (option == "--threads")
      threads = std::atoi(argv[i + 1]);
    else if (option == "--only")
      options.only_blog = std::string_view(argv[i + 1]) == "blog";
    else if (option == "--path")
      options.path = argv[i + 1];
    else if (option == "--requests")
      left = std::atoll(argv[i + 1]);
    else
      understood = false;
  }
  if (!understood || rate <= 0 || threads <= 0) {
    std::fprintf(stderr,
                 "usage: load HOST:PORT [--host NAME] [--rate N] [--seconds S] [--threads N] "
                 "[--only blog] [--path TARGET] [--requests N]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { stopped = true; });

  std::vector<std::unique_ptr<Customer>> customers;
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    customers.push_back(
        std::make_unique<Customer>(*address, options, static_cast<uint64_t>(i) * 1000003));
    workers.emplace_back(Work, customers.back().get(), rate / threads, &left);
  }
  const Clock::time_point begin = Clock::now();
  const auto elapsed = [begin] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  Count total;
  for (double printed = 0; !stopped;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if ((seconds > 0 && elapsed() >= seconds) || left.load() <= 0) stopped = true;
    if (elapsed() - printed < 1 && !stopped) continue;
    Count period;
    for (const auto& customer : customers) period.Add(customer->TakeCount());
    Print("second", elapsed() - printed, period);
    printed = elapsed();
    total.Add(period);
  }
  for (std::thread& worker : workers) worker.join();
  for (const auto& customer : customers) total.Add(customer->TakeCount());
  const bool clean = total.failed == 0 && total.sent > 0;
  Print("total", elapsed(), std::move(total));
  return clean ? 0 : 1;
}

}  // namespace
}  // namespace tulle::shop

int main(int argc, char** argv) { return tulle::shop::Run(argc, argv); }
