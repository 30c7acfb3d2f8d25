#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/loop/loop.h"
#include "telemetry/export/delivery.h"
#include "telemetry/metrics.h"

namespace tulle::telemetry {

// Queues records, such as spans, and sends them in batches to one collector.
//
// The queue is bounded: while the collector is unavailable or slow, further records are dropped and
// counted, those of errors last: they are sent first, and for one of them the oldest others make
// room. A batch that the collector refuses for good is dropped; one that it cannot accept now is
// sent again after a back-off of 1 to 30 s, or when the collector says.
//
// Owner: main(). Thread: its loop's.
class BatchExporter final {
 public:
  // A request's body in the collector's format: the resource by AppendResourceAttribute, records
  // as they were added.
  using Encode = std::string (*)(std::string_view resource, std::string_view records);

  struct Options {
    std::string resource;
    Encode encode;
    const FamilySpec& sent;  // no labels
    // reason: queue_full, queue_full_errors, refused (a batch) or rejected (a part of one)
    const FamilySpec& dropped;
    size_t most_waiting = 1024 * 1024;  // bytes
    // Records were refused or rejected, and why; at most once a minute. Null: no one is told.
    std::function<void(uint64_t count, std::string_view why)> on_refused{};
  };

  BatchExporter(loop::Loop& loop, std::unique_ptr<Delivery> delivery, Options options,
                Registry& registry);

  void Add(std::string records, uint64_t count, bool errors = false);
  // The collector's certificate or our own has changed.
  void Reconnect() { delivery_->Reconnect(); }
  bool idle() const { return ordinary_.empty() && errors_.empty() && !is_sending_; }

 private:
  struct Batch {
    std::string records;
    uint64_t count = 0;
    bool errors = false;
  };
  using Queue = std::deque<Batch>;

  Queue& QueueOf(const Batch& batch) { return batch.errors ? errors_ : ordinary_; }
  bool HasRoom(size_t bytes) const {
    return waiting_bytes_ + flying_.records.size() + bytes <= options_.most_waiting;
  }
  void MakeRoom(size_t bytes);
  void Send();
  void Load(Queue& queue);
  void OnResult(const DeliveryOutcome& outcome);
  void Retry(loop::Duration wait);
  void PutBack();
  void Tell(uint64_t count, const std::string& why);

  loop::Loop& loop_;
  Registry& registry_;
  const Options options_;
  Counter& sent_;
  Counter& queue_full_;
  Counter& refused_;
  Counter& rejected_;
  Queue ordinary_;
  Queue errors_;
  size_t waiting_bytes_ = 0;
  Batch flying_;
  bool is_sending_ = false;
  loop::Duration backoff_;
  loop::Instant may_tell_at_{};
  std::unique_ptr<loop::Timer> retry_;
  std::unique_ptr<Delivery> delivery_;
};

}  // namespace tulle::telemetry
