// A request that has ended, and its spans.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/arena.h"
#include "net/loop/sim/simulation.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/span_log.h"
#include "sidecar/proxy/testing/kept_spans.h"
#include "telemetry/families.h"

namespace tulle::proxy::testing {

using std::chrono::milliseconds;

inline constexpr uint64_t kParent = 0xb7ad6b7169203331, kOwn = 0x00f067aa0ba902b7;

// One that is not sampled and was answered 200 after a millisecond, by one attempt.
class SpanWorld : public ::testing::Test {
 protected:
  SpanWorld() {
    tracing_.span_per_attempt = true;
    tracing_.always_on_error = true;
    tracing_.slower_than = milliseconds(500);
    head_.method = "GET";
    head_.authority = "web:8080";
    head_.path = "/x";
    record_.request = &head_;
    record_.original_path = "/x";
    record_.status = 200;
    record_.routed.cluster = "c";
    record_.times.wall_started = loop_->WallNow();
    record_.times.started = record_.times.attempt_started = record_.times.upstream_asked =
        loop::Instant(milliseconds(1000));
    record_.times.ended = record_.times.upstream_answered = loop::Instant(milliseconds(1001));
    record_.upstream.address = *SocketAddress::Parse("10.0.0.2", 80);
    record_.upstream.was_asked = true;
    record_.retries.attempts = 1;
    record_.tracing.id = "0af7651916cd43dd8448eb211c80319c";
    record_.tracing.span = kOwn;
  }

  // From now on tracing_ counts.
  void Configure() {
    auto chain = std::make_shared<config::FilterChainSpec>();
    config::HttpSpec http;
    http.tracing = std::make_shared<config::TracingSpec>(tracing_);
    chain->proxy = http;
    chain_ = std::move(chain);
  }
  void WriteOne() {
    log_.Write({{chain_, config::Direction::kOutbound, nullptr, false, caller_, {}, {}},
                record_,
                nullptr,
                {},
                &decisions_});
  }
  void Write() {
    Configure();
    WriteOne();
    log_.Flush();
  }
  // The same for a request that is sampled.
  void Sample() {
    trace_.context = {1, 2, kOwn, telemetry::TracePoint::kSampled};
    record_.tracing.spans = &trace_;
  }
  void AddAttempt(AttemptTrace& attempt) {
    trace_.attempts.Add(attempt);
    record_.retries.attempts = ++trace_.attempts.count;
  }
  void TakesFor(milliseconds duration) { record_.times.ended = record_.times.started + duration; }

  // All since the last call.
  std::vector<Span> Spans() { return sink_.Take(); }
  uint64_t Dropped(std::string_view reason) {
    return registry_.CounterRow(telemetry::kSpansDropped, {&reason, 1}).value();
  }

  sim::Simulation simulation_{5};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  Arena arena_{loop_->slab()};
  SocketAddress caller_;
  http::Head head_{arena_};
  config::TracingSpec tracing_;
  std::shared_ptr<const config::FilterChainSpec> chain_;
  DecisionRecord record_;
  RequestTrace trace_;
  Decisions decisions_{arena_};
  telemetry::Registry registry_;
  KeptSpans sink_;
  SpanLog log_{*loop_, &sink_, registry_};
};

}  // namespace tulle::proxy::testing
