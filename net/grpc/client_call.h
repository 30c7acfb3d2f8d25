#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/base/arena.h"
#include "net/base/deletable.h"
#include "net/grpc/message_inlet.h"
#include "net/grpc/status.h"
#include "net/http/connection.h"
#include "net/loop/loop.h"

namespace tulle::grpc {

struct CallOptions {
  std::string path;                     // "/package.Service/Method"
  std::string authority = "localhost";  // not empty
  std::string scheme = "https";
  std::vector<std::pair<std::string, std::string>> metadata;  // lower-case names
  loop::Duration timeout{0};                                  // zero: none
  size_t largest_message = 64 * 1024 * 1024;                  // received
};

class ClientCallEvents {
 public:
  virtual ~ClientCallEvents() = default;
  virtual void OnMessage(std::string message) = 0;
  virtual void OnSendRoom() {}
  // The last event, exactly once unless the call was cancelled.
  virtual void OnFinished(const Status& status) = 0;
};

// One outgoing call in any streaming mode. Owner: the caller, who may destroy it at any time (from
// inside its own events by loop.DeferDelete); that cancels an unfinished call. Events never come
// from inside a call on it.
class ClientCall final : public http::StreamEvents, public loop::TurnEnd, public Deletable {
 public:
  // REQUIRES: connection.StreamRoom() > 0.
  ClientCall(loop::Loop& loop, http::ClientConnection& connection, const CallOptions& options,
             ClientCallEvents& events);
  ~ClientCall() override { Cancel(); }

  void Send(std::string_view message);
  size_t SendRoom() const { return stream_ == nullptr ? 0 : stream_->SendRoom(); }
  void HalfClose();
  // Requests one more message.
  void Read();
  // No event follows.
  void Cancel();
  bool finished() const { return stream_ == nullptr; }

 private:
  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override { events_.OnSendRoom(); }
  void OnTurnEnd() override { Deliver(); }
  void Deliver();
  void Finish(const Status& status);

  loop::Loop& loop_;
  ClientCallEvents& events_;
  http::Stream* stream_ = nullptr;
  Arena arena_;
  MessageInlet inlet_;
  Status status_;  // reported after all messages
  std::unique_ptr<loop::Timer> deadline_;
  bool status_known_ = false;
  int http_status_ = 0;
};

// A call with one message each way. Destroying it cancels. `done` runs once, never from inside the
// constructor, and may destroy the call by loop.DeferDelete.
class UnaryCall final : public Deletable, private ClientCallEvents {
 public:
  using Done = absl::AnyInvocable<void(const Status& status, std::string response)>;
  UnaryCall(loop::Loop& loop, http::ClientConnection& connection, const CallOptions& options,
            std::string_view request, Done done);

 private:
  void OnMessage(std::string message) override;
  void OnFinished(const Status& status) override;

  Done done_;
  std::string response_;
  bool answered_ = false;
  ClientCall call_;
};

}  // namespace tulle::grpc
