#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/base/arena.h"
#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/socket/transport.h"
#include "telemetry/export/delivery.h"

namespace tulle::telemetry {

// Batches as bodies of POST by HTTP/1.1, over one connection that is kept while the collector keeps
// it. 429, 502, 503 and 504 are sent again, after Retry-After if there is one. An answer in
// protobuf may say that a part was rejected. Owner, thread: Delivery. Source: the OTLP
// specification, "OTLP/HTTP"; Zipkin's API has no rules of its own.
class HttpDelivery final : public Delivery,
                           private http::ClientConnectionEvents,
                           private http::StreamEvents {
 public:
  // A new transport to the collector, or null if none is available now.
  using Connect = absl::AnyInvocable<std::unique_ptr<Transport>()>;

  static constexpr std::string_view kProtobuf = "application/x-protobuf";

  struct Options {
    std::string authority;  // not empty
    std::string scheme = "http";
    std::string path;  // begins with /
    std::string content_type;
    std::vector<std::pair<std::string, std::string>> headers;
    loop::Duration timeout = std::chrono::seconds(10);
  };

  HttpDelivery(loop::Loop& loop, Connect connect, Options options);
  ~HttpDelivery() override;

  void Start(absl::AnyInvocable<void()>) override {}
  // It connects when there is something to send.
  bool ready() const override { return true; }
  void Send(std::string body, Done done) override;
  void Reconnect() override;

 private:
  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap&) override { Finish(); }
  void OnReset(Failure) override { Finish(); }
  void OnSendRoom() override {}
  void OnConnectionReady() override { Post(); }
  void OnStreamRoom() override {}
  void OnConnectionClosed(Failure) override;

  void Post();
  void Finish();
  void Drop();
  DeliveryOutcome TakeOutcome();

  // An answer is not read further than that.
  static constexpr size_t kMostOfAnAnswer = 64 * 1024;

  loop::Loop& loop_;
  Connect connect_;
  const Options options_;
  loop::Deadlines deadlines_;
  Arena arena_;
  std::unique_ptr<loop::Timer> timeout_;
  // Tells in a later turn: the next batch finds the connection idle, and uses it.
  std::unique_ptr<loop::Timer> tell_;
  std::unique_ptr<http::ClientConnection> connection_;
  http::Stream* stream_ = nullptr;
  std::string body_;
  Done done_;  // null: no batch is under way
  int status_ = 0;
  loop::Duration wait_{0};
  std::string answer_;
  bool is_outdated_ = false;  // the connection, by Reconnect
};

}  // namespace tulle::telemetry
