#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "net/http/head.h"
#include "sidecar/recorder/record.h"

namespace tulle::recorder {

// Looks at the headers of requests that end, which records do not keep.
class HeaderReader {
 public:
  virtual ~HeaderReader() = default;
  // A worker's thread. Heads are null if there were none: they live during the call.
  virtual void OnEnd(const Record& record, const http::Head* request,
                     const http::Head* response) = 0;
};

// Who looks at the headers of one worker's requests. While nobody does, a request costs one load.
// Owner: WorkerRecorder.
class HeaderWatch {
 public:
  // The worker's thread.
  bool is_on() const { return on_.load(std::memory_order_relaxed); }
  void OnEnd(const Record& record, const http::Head* request, const http::Head* response) {
    const std::scoped_lock lock(mutex_);
    for (const auto& reader : readers_) reader->OnEnd(record, request, response);
  }

  // The main thread. After Remove the reader is not called any more.
  void Add(std::shared_ptr<HeaderReader> reader) {
    const std::scoped_lock lock(mutex_);
    readers_.push_back(std::move(reader));
    on_.store(true, std::memory_order_relaxed);
  }
  void Remove(const HeaderReader* reader) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(readers_, [reader](const auto& each) { return each.get() == reader; });
    on_.store(!readers_.empty(), std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> on_ = false;
  std::mutex mutex_;
  std::vector<std::shared_ptr<HeaderReader>> readers_;
};

}  // namespace tulle::recorder
