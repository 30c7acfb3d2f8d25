#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/base/buffer.h"
#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transports.h"

namespace tulle::simulation {

// How an origin responds.
struct OriginHabits {
  // The longest delay of a response.
  loop::Duration thinking = std::chrono::milliseconds(1);
  // One in this number of requests gets a 503 or an aborted connection. 0: none.
  uint64_t one_in_fails = 0;
  uint64_t one_in_aborts = 0;
  bool http2 = false;
  // Plaintext if not set.
  std::shared_ptr<const TransportAcceptor> acceptor = nullptr;
};

// An HTTP application: responds with the request's path in `x-path` and its body. Owner: a test.
class HttpOrigin : public loop::ListenerEvents {
 public:
  HttpOrigin(loop::Loop& loop, const SocketAddress& at, const OriginHabits& habits = {});
  ~HttpOrigin() override;
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;

  int requests() const { return requests_; }
  int failed() const { return failed_; }
  int aborted() const { return aborted_; }
  int connections() const { return connections_; }
  // Of the last request, by name; empty if it had none.
  const std::string& last_xfcc() const { return last_xfcc_; }
  // How often each request was processed, by method and path.
  const std::map<std::string, int>& processed() const { return processed_; }
  // While broken, all requests get 503; the times of these.
  void Break(bool broken) { broken_ = broken; }
  const std::vector<loop::Instant>& broken_arrivals() const { return broken_arrivals_; }

 private:
  class Answer;
  class Downstream;
  void Remove(Downstream& downstream);

  loop::Loop& loop_;
  const OriginHabits habits_;
  loop::Deadlines deadlines_;
  std::vector<std::unique_ptr<Downstream>> downstreams_;
  std::unique_ptr<loop::Listener> listener_;
  int requests_ = 0;
  int failed_ = 0;
  int aborted_ = 0;
  int connections_ = 0;
  std::string last_xfcc_;
  std::map<std::string, int> processed_;
  bool broken_ = false;
  std::vector<loop::Instant> broken_arrivals_;
};

}  // namespace tulle::simulation
