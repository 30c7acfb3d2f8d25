#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/grpc/status.h"
#include "net/http/head.h"
#include "net/socket/transport.h"

namespace tulle::grpc {

// One call as its handler sees it. Owner: the server. Valid until Finish, OnCancelled or the
// handler's destruction.
class ServerCall {
 public:
  virtual ~ServerCall() = default;
  virtual const http::Head& head() const = 0;
  // The caller: peer(), PeerAddress().
  virtual const Transport& transport() const = 0;
  // Requests one more message; nothing is read without a request.
  virtual void Read() = 0;
  virtual void Send(std::string_view message) = 0;
  // Bytes of messages that may be sent now without buffering; OnSendRoom follows a 0.
  virtual size_t SendRoom() const = 0;
  // The last call. The handler is destroyed at the end of the turn.
  virtual void Finish(const Status& status) = 0;
};

// Handles one call of a method. Never called from inside a call on ServerCall.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual void OnMessage(std::string message) = 0;
  // The client has sent all its messages.
  virtual void OnHalfClose() = 0;
  virtual void OnSendRoom() {}
  // The caller has cancelled, or the deadline has passed: the last event. Do not use ServerCall any
  // more.
  virtual void OnCancelled() = 0;
};

// The reply to a unary call: once, immediately or later. Outliving the call is harmless.
class UnaryReply {
 public:
  virtual ~UnaryReply() = default;
  virtual void Send(std::string_view message) = 0;
  virtual void Fail(const Status& status) = 0;
};

// The methods of a server. Filled before it starts, then immutable.
class ServiceRegistry {
 public:
  using Streaming = std::function<std::unique_ptr<CallHandler>(ServerCall&)>;
  // A reply that is destroyed unanswered becomes INTERNAL. `call` is valid during the function
  // only.
  using Unary = std::function<void(const ServerCall& call, const std::string& request,
                                   std::unique_ptr<UnaryReply> reply)>;

  // `path` is "/package.Service/Method". The handler must request the first message itself.
  // A message of more than `largest_message` bytes gets RESOURCE_EXHAUSTED before it is read
  // completely; 0: the server's own limit.
  void AddStreaming(std::string_view path, Streaming make_handler, size_t largest_message = 0);
  void AddUnary(std::string_view path, Unary answer, size_t largest_message = 0);

  struct Method {
    Streaming make_handler;
    size_t largest_message = 0;
    bool is_unary = false;
  };
  // Null: UNIMPLEMENTED.
  const Method* Find(std::string_view path) const;

 private:
  std::map<std::string, Method, std::less<>> methods_;
};

}  // namespace tulle::grpc
