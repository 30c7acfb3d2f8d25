#pragma once

#include <array>
#include <memory>
#include <string>

#include "net/base/buffer.h"
#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transports.h"

namespace tulle::simulation {

// The requests of a caller, and their rate.
struct Calls {
  std::string authority = "origin";
  int count = 100;
  size_t largest_body = 2000;  // half of the requests are GETs without one
  // One in this number of requests uses a new connection.
  uint64_t one_in_new = 4;
  // The longest pause between a response and the next request.
  loop::Duration pause{};
  bool http2 = false;
  // Plaintext if not set.
  std::shared_ptr<const TransportConnector> connector = nullptr;
  // Prefix of paths, if the origin must distinguish the requests of callers.
  std::string prefix = {};
};

// An HTTP client that sends one request after another and checks each response. It never sends a
// request twice. Owner: a test.
class HttpCaller final : public http::ClientConnectionEvents, public http::StreamEvents {
 public:
  HttpCaller(loop::Loop& loop, const SocketAddress& to, const Calls& calls);
  ~HttpCaller() override;

  bool done() const { return answered_ + lost_ == calls_.count; }
  int answered() const { return answered_; }
  // Requests whose connection ended before the response.
  int lost() const { return lost_; }
  // Responses that belong to another request.
  int wrong() const { return wrong_; }
  // Responses with a header x-marker.
  int marked() const { return marked_; }
  int with_status(int status) const { return statuses_[status % 600]; }

 private:
  void OnConnectionReady() override { Ask(); }
  void OnStreamRoom() override;
  void OnConnectionClosed(Failure why) override;

  Arena& arena() override { return *arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap&) override { Finish(); }
  void OnReset(Failure) override;
  void OnSendRoom() override {}

  void Resume();
  void Dial();
  void Hang();
  void Ask();
  void Finish();
  void Lose();

  loop::Loop& loop_;
  const SocketAddress to_;
  const Calls calls_;
  loop::Deadlines deadlines_;
  std::unique_ptr<loop::Timer> resume_;
  std::unique_ptr<http::ClientConnection> connection_;
  std::unique_ptr<Arena> arena_;
  http::Stream* stream_ = nullptr;
  std::string path_, question_, answer_;
  int status_ = 0;
  bool path_right_ = false;
  int answered_ = 0;
  int lost_ = 0;
  int wrong_ = 0;
  int marked_ = 0;
  std::array<int, 600> statuses_{};
};

}  // namespace tulle::simulation
