#include "net/loop/uv/poll.h"

#include <unistd.h>

#include <new>

namespace tulle::loop {

Poll* Poll::Open(uv_loop_t& loop, Slab& slab, int descriptor, PollEvents& owner, int* error) {
  Poll* poll = new (slab.Allocate(sizeof(Poll))) Poll(slab, descriptor, owner);
  *error = uv_poll_init(&loop, &poll->handle_, descriptor);
  if (*error != 0) {
    poll->~Poll();
    slab.Free(poll, sizeof(Poll));
    return nullptr;
  }
  poll->handle_.data = poll;
  return poll;
}

void Poll::SetEvents(int events) {
  if (events == events_) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(&handle_);
  } else {
    uv_poll_start(&handle_, events, &Poll::OnPoll);
  }
}

void Poll::Close() {
  owner_ = nullptr;
  // uv_close forgets the descriptor before it returns, so its number may be reused at once.
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), &Poll::OnClosed);
  ::close(descriptor_);
}

void Poll::OnPoll(uv_poll_t* handle, int status, int events) {
  Poll* self = static_cast<Poll*>(handle->data);
  if (status < 0) self->events_ = 0;
  if (self->owner_ != nullptr) self->owner_->OnPoll(status, events);
}

void Poll::OnClosed(uv_handle_t* handle) {
  Poll* self = static_cast<Poll*>(handle->data);
  Slab& slab = self->slab_;
  self->~Poll();
  slab.Free(self, sizeof(Poll));
}

}  // namespace tulle::loop
