#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/config/collector_spec.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Where finished spans and log records go. Any thread; never blocks.
class CollectorSink {
 public:
  virtual ~CollectorSink() = default;
  // Takes `records`, as telemetry::SpanWriter or LogRecordFormat wrote them, for that collector,
  // and leaves an empty string, which may have capacity. `errors`: they are of failed requests, and
  // dropped last. False: refused, nothing was taken.
  virtual bool Submit(const std::shared_ptr<const config::CollectorSpec>& collector,
                      std::string& records, uint64_t count, bool errors) = 0;
};

// What one worker has for collectors: batched for each of them, and passed on every second or at 64
// KiB. If the sink does not keep up, records are dropped and counted; requests never wait
// (fault 87).
//
// Owner: SpanLog, AccessLog. Thread: the worker's.
class CollectorBatches final : private loop::TurnEnd {
 public:
  struct Batch {
    std::shared_ptr<const config::CollectorSpec> collector;
    bool errors = false;
    std::string records;  // the writer appends to it, and says Wrote
    uint64_t count = 0;
  };

  CollectorBatches(loop::Loop& loop, CollectorSink& sink, telemetry::Counter& dropped,
                   telemetry::Counter& dropped_errors);
  ~CollectorBatches() override;  // passes on what is left

  // Valid until the next call of For or Wrote.
  Batch& For(const std::shared_ptr<const config::CollectorSpec>& collector, bool errors = false);
  void Wrote(Batch& batch, uint64_t count);
  void Flush();

 private:
  void Submit(Batch& batch);
  void OnTurnEnd() override;

  static constexpr size_t kSubmitAt = 64 * 1024;
  static constexpr size_t kMostBatches = 16;

  loop::Loop& loop_;
  CollectorSink& sink_;
  telemetry::Counter& dropped_;
  telemetry::Counter& dropped_errors_;
  std::unique_ptr<loop::Timer> timer_;
  std::vector<Batch> batches_;
};

}  // namespace tulle::proxy
