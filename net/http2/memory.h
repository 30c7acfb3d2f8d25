#pragma once

#include <nghttp2/nghttp2.h>

#include "net/base/slab.h"
#include "net/http2/zeroed_page.h"

namespace tulle::http2 {

// nghttp2's allocator for one session, allocating from the slab of the connection's worker. Owner:
// the session's owner; outlives the session, as the slab does. Thread: the slab's.
class SessionMemory {
 public:
  explicit SessionMemory(Slab& slab) : slab_(slab) {}
  SessionMemory(const SessionMemory&) = delete;
  SessionMemory& operator=(const SessionMemory&) = delete;

  nghttp2_mem hooks();
  // An allocation was refused: whatever nghttp2 did about it, the session must not continue.
  bool failed() const { return failed_; }
  // What nghttp2_session_mem_send has returned was copied. Debug builds overwrite the shared frame
  // buffer then, so that tests fail if nghttp2 still needs it.
  void OnFramesCopied();
  // Something was allocated since ReleaseIdle: the table of streams may take memory.
  bool used() const { return used_; }
  // For an idle session: gives back the table of streams if it is empty.
  void ReleaseIdle() { used_ = !stream_table_.Release(); }

 private:
  static void* Allocate(size_t size, void* self);
  static void Free(void* memory, void* self);
  static void* AllocateZeroed(size_t count, size_t size, void* self);
  static void* Reallocate(void* memory, size_t size, void* self);

  Slab& slab_;
  bool failed_ = false;
  bool used_ = false;
  void* frame_buffer_ = nullptr;  // the slab's scratch block, shared by all sessions of its thread
  ZeroedPage stream_table_;
};

}  // namespace tulle::http2
