// Spans as a collector reads them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "sidecar/proxy/collector_batches.h"
#include "telemetry/otlp_request.h"

namespace tulle::proxy::testing {

using opentelemetry::proto::trace::v1::Span;
using Attributes = std::map<std::string, std::string>;

template <typename Holder>
Attributes AttributesOf(const Holder& holder) {
  Attributes attributes;
  for (const auto& one : holder.attributes()) {
    const bool is_new = attributes
                            .emplace(one.key(), one.value().has_string_value()
                                                    ? one.value().string_value()
                                                    : std::to_string(one.value().int_value()))
                            .second;
    EXPECT_TRUE(is_new) << one.key();
  }
  return attributes;
}

inline std::string AttributeOf(const Span& span, const std::string& key) {
  const Attributes attributes = AttributesOf(span);
  const auto found = attributes.find(key);
  return found == attributes.end() ? "(none)" : found->second;
}

// In microseconds.
inline uint64_t MeshTimeOf(const Span& span) {
  return std::stoull(AttributeOf(span, "tulle.mesh.microseconds"));
}
inline uint64_t DurationOf(const Span& span) {
  return (span.end_time_unix_nano() - span.start_time_unix_nano()) / 1000;
}

class KeptSpans final : public CollectorSink {
 public:
  bool Submit(const std::shared_ptr<const config::CollectorSpec>&, std::string& records,
              uint64_t count, bool errors) override {
    (errors ? submitted_errors : submitted) += count;
    if (refuses) return false;
    records_ += records;
    records.clear();
    return true;
  }
  // All since the last call.
  std::vector<Span> Take() {
    opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
    EXPECT_TRUE(
        request.ParseFromString(telemetry::MakeExportRequest("", std::exchange(records_, {}))));
    const auto& spans = request.resource_spans(0).scope_spans(0).spans();
    return {spans.begin(), spans.end()};
  }
  bool empty() const { return records_.empty(); }

  bool refuses = false;
  uint64_t submitted = 0;
  uint64_t submitted_errors = 0;

 private:
  std::string records_;
};

}  // namespace tulle::proxy::testing
