#pragma once

#include <cstddef>

namespace tulle::http2 {

// A zeroed page of memory of its own, which costs nothing while it contains only zeros: its user
// need not know that it was given back, since it reads as zeros again. nghttp2's table of streams
// is of this size, and is empty between requests. Owner: a session's memory. Thread: the session's.
class ZeroedPage {
 public:
  static constexpr size_t kSize = 4096;

  ZeroedPage() = default;
  ~ZeroedPage() { Unmap(); }
  ZeroedPage(const ZeroedPage&) = delete;
  ZeroedPage& operator=(const ZeroedPage&) = delete;

  // Null: the system has no memory left, or has pages of another size.
  void* Map();
  void Unmap();
  void* get() const { return page_; }
  // Gives the memory back if the page contains only zeros. False: it does not.
  bool Release();

 private:
  void* page_ = nullptr;
};

}  // namespace tulle::http2
