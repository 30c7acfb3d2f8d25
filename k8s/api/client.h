// Calls one API server over one HTTP/2 connection, which is kept open: reconnected with a jittered
// back-off, and watched by PINGs. Requests carry the bearer token as its file contains it then.
//
// Owner: the creator; destroy it after what was opened on it, and outside of its events. Thread:
// the loop's. Order: Start, then any calls.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "k8s/api/call.h"
#include "k8s/api/cluster.h"
#include "k8s/api/exchange.h"
#include "net/base/intrusive_list.h"
#include "net/grpc/channel.h"
#include "net/loop/loop.h"

namespace tulle::k8s {

class Client final : private grpc::ChannelEvents {
 public:
  struct Options {
    std::string authority;  // HOST:PORT
    TextSource token;       // empty: none, the connection has a client certificate
    loop::Duration call_timeout = std::chrono::seconds(30);
    size_t largest_body = size_t{64} << 20;  // of a call's answer
  };
  // A connection was lost, or an attempt has failed; another one follows.
  using OnProblem = std::function<void(const std::string&)>;

  // Waits for the connection. Once for each Await().
  class Waiter : public ListNode<Waiter> {
   public:
    virtual ~Waiter() = default;
    virtual void OnClientReady() = 0;
  };

  Client(loop::Loop& loop, grpc::Channel::Connect connect, Options options, OnProblem on_problem);
  ~Client() override;

  void Start();
  bool ready() const { return channel_.ready() && !reconnect_->active(); }
  // REQUIRES: not ready().
  void Await(Waiter& waiter);
  // Null: not connected now.
  std::unique_ptr<Exchange> Open(const Request& request, loop::Duration timeout,
                                 ExchangeEvents& events);
  // Without a connection it fails at the next turn.
  std::unique_ptr<Call> Send(const Request& request, Call::Done done);

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;
  void LeaveExhausted();
  void Reconnect();

  loop::Loop& loop_;
  const Options options_;
  const OnProblem on_problem_;
  grpc::Channel channel_;
  std::unique_ptr<loop::Timer> reconnect_;
  IntrusiveList<Exchange> exchanges_;
  IntrusiveList<Waiter> waiters_;
  bool is_leaving_ = false;  // the connection, for another one
};

}  // namespace tulle::k8s
