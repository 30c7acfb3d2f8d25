#pragma once

#include <uv.h>

#include <memory>

#include "net/loop/loop.h"
#include "net/loop/uv/poll.h"

namespace tulle::loop {

class UvListener final : public Listener, private PollEvents {
 public:
  // `owner` creates the timer for the pause after the process ran out of descriptors.
  static std::unique_ptr<UvListener> Open(uv_loop_t& loop, Loop& owner, const SocketAddress& at,
                                          const ListenOptions& options, ListenerEvents& events,
                                          int* error);
  ~UvListener() override;

  SocketAddress LocalAddress() const override;
  void Pause() override;
  void Resume() override;

 private:
  UvListener(uv_loop_t& loop, Loop& owner, int descriptor, ListenerEvents& events);
  void OnPoll(int status, int events) override;
  // Whether to continue with the next connection.
  bool AcceptOne();
  void WatchIfWanted();

  uv_loop_t& loop_;
  Loop& owner_;
  const int descriptor_;
  ListenerEvents& events_;
  Poll* poll_ = nullptr;
  std::unique_ptr<Timer> retry_;  // running while descriptors are short
  bool paused_ = false;
};

}  // namespace tulle::loop
