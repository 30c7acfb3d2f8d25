#include "sidecar/proxy/collector_batches.h"

#include <chrono>

namespace tulle::proxy {
namespace {

constexpr auto kFlushRecordsEvery = std::chrono::seconds(1);

}  // namespace

CollectorBatches::CollectorBatches(loop::Loop& loop, CollectorSink& sink,
                                   telemetry::Counter& dropped, telemetry::Counter& dropped_errors)
    : loop_(loop),
      sink_(sink),
      dropped_(dropped),
      dropped_errors_(dropped_errors),
      timer_(loop.NewTimer([this] { Flush(); })) {
  batches_.reserve(kMostBatches);
}

CollectorBatches::~CollectorBatches() { Flush(); }

CollectorBatches::Batch& CollectorBatches::For(
    const std::shared_ptr<const config::CollectorSpec>& collector, bool errors) {
  for (Batch& batch : batches_) {
    if (batch.errors != errors) continue;
    if (batch.collector == collector || *batch.collector == *collector) return batch;
  }
  if (batches_.size() == kMostBatches) {
    Flush();
    batches_.clear();
  }
  return batches_.emplace_back(Batch{collector, errors, {}, 0});
}

void CollectorBatches::Wrote(Batch& batch, uint64_t count) {
  batch.count += count;
  if (batch.records.size() >= kSubmitAt) return Submit(batch);
  loop_.AtTurnEnd(*this);
}

void CollectorBatches::Submit(Batch& batch) {
  if (batch.records.empty()) return;
  if (!sink_.Submit(batch.collector, batch.records, batch.count, batch.errors)) {
    (batch.errors ? dropped_errors_ : dropped_).Add(batch.count);
    batch.records.clear();
  }
  batch.count = 0;
}

void CollectorBatches::Flush() {
  for (Batch& batch : batches_) Submit(batch);
}

void CollectorBatches::OnTurnEnd() {
  if (!timer_->active()) timer_->Start(kFlushRecordsEvery);
}

}  // namespace tulle::proxy
