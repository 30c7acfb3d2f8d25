// HTTP/1.1 for small answers: the REST API over TLS, health and metrics in plaintext.
//
// Answers may come in pieces, one in each turn of the loop and as fast as the client reads them.
// Requests are read whole (at most 2 MiB of body unless RestLimits says otherwise, and 32 MiB of
// all connections together: beyond that the largest one of the source address with the most bytes
// ends, so that a caller who floods the port makes room for others), answered by one function, one
// after the other on a connection. Whether a body is read at all is decided from the head. With a
// queue (turn_queue.h), one request is answered in each turn of the loop. Owner:
// whoever listens; not destroyed from inside a callback. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/api/api.h"
#include "control-plane/server/guest_list.h"
#include "control-plane/server/turn_queue.h"
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
  // Set: the answer comes later, and all else is unset. See api::ApiResponse.
  std::function<void(std::function<void(RestAnswer)>)> later = {};
  // Besides content-type. Without a cache-control, nothing is kept.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// What the head of a request says about it.
struct RestVerdict {
  std::optional<RestAnswer> refusal;  // the answer; the body is not read
  // Its body is read.
  bool is_identified = false;
  // Its body is read, since it may prove an identity. Else who is not identified is answered
  // without it.
  bool is_login = false;
  // Set: who calls must be asked elsewhere. Called once with the caller's SourceOf() and what to
  // run then: the head is admitted again. `refusal` is the answer if that is still not known.
  std::function<void(const std::string& source, std::function<void()> again)> ask = {};
};

struct RestLimits {
  size_t body_bytes = size_t{2} << 20;
  loop::Duration body_time = std::chrono::seconds(30);  // in which a body must arrive
  TurnQueue::Limits queue = {};  // of complete requests; none: they are answered at once
  size_t most_identified = 256;  // connections of callers with a credential
  size_t most_later = 64;        // answers that are awaited
};

class RestServer {
 public:
  using Admit = std::function<RestVerdict(const api::ApiRequest& head)>;
  using Handler = std::function<RestAnswer(const api::ApiRequest&)>;

  RestServer(loop::Loop& loop, Admit admit, Handler handler, const RestLimits& limits = {});
  ~RestServer();

  // An accepted transport, ready or not yet. `guest`: told when its caller is identified, lives as
  // long as the transport; null: nobody is.
  void Adopt(std::unique_ptr<Transport> transport, GuestList::Guest* guest);
  size_t connections() const { return connection_count_; }

 private:
  class Connection;
  class Exchange;

  // Of the source with the most bytes in bodies that are being read, the largest one.
  Exchange* LargestBody();

  loop::Loop& loop_;
  const RestLimits limits_;
  loop::Deadlines deadlines_;
  TurnQueue queue_;
  Admit admit_;
  Handler handler_;
  IntrusiveList<Connection> connections_;
  size_t connection_count_ = 0;
  size_t identified_count_ = 0;
  size_t body_bytes_ = 0;  // of requests that are being read
  size_t later_ = 0;       // answers that are awaited
};

// "/a%20b?x=1&y" into decoded path and query. False: not well-formed.
bool SplitTarget(std::string_view target, api::ApiRequest* request);

}  // namespace tulle::server
