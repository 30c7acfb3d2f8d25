// HTTP/1.1 for small answers: the REST API over TLS, health and metrics in plaintext.
//
// Answers may come in pieces, one in each turn of the loop and as fast as the client reads them.
// Requests are read whole (at most 2 MiB of body), answered by one function, one after the other on
// a connection. Owner: whoever listens; not destroyed from inside a callback. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control-plane/api/api.h"
#include "net/base/intrusive_list.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::server {

struct RestAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::function<bool(std::string*)> more = {};  // see api::ApiResponse
};

class RestServer {
 public:
  using Handler = std::function<RestAnswer(const api::ApiRequest&)>;

  RestServer(loop::Loop& loop, Handler handler);
  ~RestServer();

  // An accepted transport, ready or not yet. Beyond 256 connections it is closed at once.
  void Adopt(std::unique_ptr<Transport> transport);
  size_t connections() const { return connection_count_; }

 private:
  class Connection;
  class Exchange;

  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  Handler handler_;
  IntrusiveList<Connection> connections_;
  size_t connection_count_ = 0;
};

// "/a%20b?x=1&y" into decoded path and query. False: not well-formed.
bool SplitTarget(std::string_view target, api::ApiRequest* request);

}  // namespace tulle::server
