#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "net/loop/loop.h"
#include "telemetry/export/delivery.h"
#include "telemetry/metrics.h"

namespace tulle::telemetry {

// Queues records, such as spans, and sends them in batches to one collector.
//
// The queue is bounded: while the collector is unavailable or slow, further records are
// dropped and counted. A batch that the collector rejects permanently is dropped; one that it
// cannot accept now is sent again after a back-off of 1 to 30 s, or when the collector says.
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
    const FamilySpec& sent;             // no labels
    const FamilySpec& dropped;          // reason: queue_full or refused
    size_t most_waiting = 1024 * 1024;  // bytes
  };

  BatchExporter(loop::Loop& loop, std::unique_ptr<Delivery> delivery, Options options,
                Registry& registry);

  void Add(std::string records, uint64_t count);
  // The collector's certificate or our own has changed.
  void Reconnect() { delivery_->Reconnect(); }
  bool idle() const { return waiting_.empty() && !is_sending_; }

 private:
  struct Batch {
    std::string records;
    uint64_t count = 0;
  };

  void Send();
  void OnResult(DeliveryResult result, loop::Duration wait);
  void Retry(loop::Duration wait);
  void PutBack();
  void Drop(Counter& reason, uint64_t count) { reason.Add(count); }

  loop::Loop& loop_;
  const Options options_;
  Counter& sent_;
  Counter& queue_full_;
  Counter& refused_;
  std::deque<Batch> waiting_;
  size_t waiting_bytes_ = 0;
  Batch flying_;
  bool is_sending_ = false;
  loop::Duration backoff_;
  std::unique_ptr<loop::Timer> retry_;
  std::unique_ptr<Delivery> delivery_;
};

}  // namespace tulle::telemetry
