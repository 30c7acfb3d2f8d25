#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/loop/loop.h"
#include "sidecar/proxy/collector_batches.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/second_limit.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// The spans of one worker: written when a sampled request has ended, and passed on in batches. A
// request that is not sampled costs few comparisons; if it failed or was slow, and TracingSpec asks
// for that, it has spans of its own: at most ten such requests a second, the others are counted.
//
// Owner: TrafficObserver. Thread: the worker's.
class SpanLog final {
 public:
  // `sink` null: no spans.
  SpanLog(loop::Loop& loop, CollectorSink* sink, telemetry::Registry& registry);

  void Write(const EndedRequest& request);
  void Flush();

 private:
  void WriteSpans(const EndedRequest& request, const RequestTrace& trace);
  void WriteLate(const EndedRequest& request, std::string_view reason);
  void TakeAttempts(const DecisionRecord& record, std::span<AttemptTrace> room,
                    AttemptTraces& taken);

  static constexpr uint32_t kLatePerSecond = 10;

  loop::Loop& loop_;
  telemetry::Counter& too_many_;
  SecondLimit late_;
  std::optional<CollectorBatches> batches_;
};

}  // namespace tulle::proxy
