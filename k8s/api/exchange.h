// One request to the API server and its response, as the bytes arrive. Owner: the caller, who may
// destroy it at any time (from inside its own events by loop.DeferDelete); that cancels it. Thread:
// the loop's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/deletable.h"
#include "net/base/intrusive_list.h"
#include "net/http/connection.h"
#include "net/loop/loop.h"

namespace tulle::k8s {

struct Request {
  std::string method = "GET";
  std::string target;  // path and query
  std::string accept = "application/json";
  std::string content_type = {};  // of the body
  std::string body = {};
};

class ExchangeEvents {
 public:
  virtual ~ExchangeEvents() = default;
  // `retry_after`: how long the server asks to wait; 0: it does not.
  virtual void OnHead(int status, loop::Duration retry_after) = 0;
  virtual void OnBody(std::string_view bytes) = 0;
  // The last event, exactly once unless the exchange was cancelled. Empty: the response is
  // complete; otherwise why it is not.
  virtual void OnEnd(const std::string& error) = 0;
};

class Exchange final : public http::StreamEvents, public Deletable, public ListNode<Exchange> {
 public:
  // REQUIRES: connection.StreamRoom() > 0. `timeout` is for the whole exchange.
  Exchange(loop::Loop& loop, http::ClientConnection& connection, const Request& request,
           std::string_view authority, std::string_view token, loop::Duration timeout,
           ExchangeEvents& events);
  ~Exchange() override { Cancel(); }

  // No event follows.
  void Cancel();
  // Ends it with this error.
  void Fail(const std::string& error);

 private:
  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap&) override { Fail(""); }
  void OnReset(Failure failure) override;
  void OnSendRoom() override {}

  ExchangeEvents& events_;
  Arena arena_;
  http::Stream* stream_ = nullptr;
  std::unique_ptr<loop::Timer> deadline_;
};

}  // namespace tulle::k8s
