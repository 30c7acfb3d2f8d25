#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/second_limit.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

struct RequestTrace;

// Where finished spans go. Any thread; never blocks.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  // Takes `spans`, as telemetry::SpanWriter wrote them, for that collector, and leaves an empty
  // string, which may have capacity. False: refused, nothing was taken.
  virtual bool Submit(const std::shared_ptr<const config::TracingSpec>& collector,
                      std::string& spans, uint64_t count) = 0;
};

// The spans of one worker: written when a sampled request has ended, batched for each collector,
// and passed on every second or at 64 KiB. A request that is not sampled costs few comparisons; if
// it failed or was slow, and TracingSpec asks for that, it has spans of its own: at most ten such
// requests a second, the others are counted. If the sink does not keep up, spans are dropped and
// counted; requests never wait (fault 87).
//
// Owner: TrafficObserver. Thread: the worker's.
class SpanLog final : private loop::TurnEnd {
 public:
  SpanLog(loop::Loop& loop, SpanSink* sink, telemetry::Registry& registry);
  ~SpanLog() override;  // passes on what is left

  void Write(const EndedRequest& request);
  void Flush();

 private:
  struct Batch {
    std::shared_ptr<const config::TracingSpec> collector;
    std::string spans;
    uint64_t count = 0;
  };

  void WriteSpans(const EndedRequest& request, const RequestTrace& trace);
  void WriteLate(const EndedRequest& request, std::string_view reason);
  Batch& BatchFor(const std::shared_ptr<const config::TracingSpec>& collector);
  void Submit(Batch& batch);
  void OnTurnEnd() override;

  static constexpr size_t kSubmitAt = 64 * 1024;
  static constexpr size_t kMostCollectors = 8;
  static constexpr uint32_t kLatePerSecond = 10;

  loop::Loop& loop_;
  SpanSink* const sink_;  // null: none
  telemetry::Counter& dropped_;
  telemetry::Counter& too_many_;
  SecondLimit late_;
  std::unique_ptr<loop::Timer> timer_;
  std::vector<Batch> batches_;
};

}  // namespace tulle::proxy
