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

  // A process has few mappings (65,530 by default on Linux), which also others need.
  static constexpr int kMostOfProcess = 16 * 1024;

  // Null: the system has no memory left, or has pages of another size, or the process has enough.
  void* Map();
  void Unmap();
  void* get() const { return page_; }
  // Gives the memory back if the page contains only zeros. False: it does not.
  bool Release();

 private:
  void* page_ = nullptr;
};

}  // namespace tulle::http2
