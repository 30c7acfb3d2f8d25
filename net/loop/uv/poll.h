#pragma once

#include <uv.h>

#include "net/base/slab.h"

namespace tulle::loop {

class PollEvents {
 public:
  virtual ~PollEvents() = default;
  // `status` < 0: libuv has stopped watching; the number does not say why.
  virtual void OnPoll(int status, int events) = 0;
};

// libuv's watch on a descriptor. Its memory is the slab's and outlives Close() until libuv releases
// it; nothing is reported after Close(). Owner: a socket or listener.
class Poll {
 public:
  // Null, and *error, if libuv rejects the descriptor.
  static Poll* Open(uv_loop_t& loop, Slab& slab, int descriptor, PollEvents& owner, int* error);
  // UV_READABLE, UV_WRITABLE. Each change costs two system calls; no change costs none.
  void SetEvents(int events);
  int events() const { return events_; }
  // Closes the descriptor at once as well. The Poll may still be asked closed() until the running
  // callback returns.
  void Close();
  bool closed() const { return owner_ == nullptr; }

 private:
  Poll(Slab& slab, int descriptor, PollEvents& owner)
      : slab_(slab), owner_(&owner), descriptor_(descriptor) {}
  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);

  uv_poll_t handle_;
  Slab& slab_;
  PollEvents* owner_;
  int descriptor_;
  int events_ = 0;
};

}  // namespace tulle::loop
