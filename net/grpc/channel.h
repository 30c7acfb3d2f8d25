#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/base/failure.h"
#include "net/grpc/client_call.h"
#include "net/http/connection.h"
#include "net/http2/options.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::grpc {

struct ChannelOptions {
  std::string authority = "localhost";  // not empty
  std::string scheme = "https";
  // Sent with every call; names in lower case.
  std::vector<std::pair<std::string, std::string>> metadata;
  // Between attempts: uniform in 0..cap, the cap doubling from first to last.
  loop::Duration first_backoff = std::chrono::milliseconds(500);
  loop::Duration last_backoff = std::chrono::seconds(30);
  loop::Duration connect_timeout = std::chrono::seconds(10);
  http2::Options http2;
};

class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  // Calls may be made.
  virtual void OnChannelReady() = 0;
  // The channel is no longer ready, or an attempt failed; it reconnects automatically. Running
  // calls have been notified before.
  virtual void OnChannelLost(Failure why) = 0;
};

// A permanent connection to one server: reconnected whenever it is lost, after a fully jittered
// back-off drawn from the loop's random source. Owner: the creator; destroy it outside its
// callbacks, after the calls made on it. Thread: the loop's.
class Channel final : private http::ClientConnectionEvents {
 public:
  // A new transport to the server, or null if none is available now (tried again later).
  using Connect = absl::AnyInvocable<std::unique_ptr<Transport>()>;

  Channel(loop::Loop& loop, Connect connect, const ChannelOptions& options, ChannelEvents& events);
  ~Channel() override;

  // Call once; the first attempt starts at once.
  void Start();
  bool ready() const { return connection_ != nullptr && connection_->StreamRoom() > 0; }
  // Connected, and no more calls may be made: at the server's limit of streams, or the server has
  // announced that it will close the connection.
  bool exhausted() const { return was_ready_ && !ready(); }
  // REQUIRES: ready(). `path` is "/package.Service/Method".
  std::unique_ptr<ClientCall> NewCall(std::string_view path, ClientCallEvents& events);
  std::unique_ptr<UnaryCall> NewUnaryCall(std::string_view path, std::string_view request,
                                          loop::Duration timeout, UnaryCall::Done done);
  // For requests that are not gRPC. REQUIRES: ready().
  http::ClientConnection& connection() { return *connection_; }
  // Closes the connection (for example because our certificate changed) and reconnects at once.
  void Reconnect();
  // Of the current connection; null when there is none.
  const Transport* transport() const {
    return connection_ == nullptr ? nullptr : &connection_->transport();
  }

 private:
  void OnConnectionReady() override;
  void OnStreamRoom() override {}
  void OnConnectionClosed(Failure why) override;
  void Attempt();
  void DropConnection();
  void Retry();
  CallOptions OptionsFor(std::string_view path) const;

  loop::Loop& loop_;
  Connect connect_;
  const ChannelOptions options_;
  ChannelEvents& events_;
  std::unique_ptr<http::ClientConnection> connection_;
  std::unique_ptr<loop::Timer> timer_;
  loop::Duration cap_;
  loop::Instant ready_since_;
  bool was_ready_ = false;
};

}  // namespace tulle::grpc
