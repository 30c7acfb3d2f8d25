#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "telemetry/trace_context.h"

namespace tulle::telemetry {

enum class SpanKind : uint8_t { kServer = 2, kClient = 3 };

// The fields of every span.
struct SpanHead {
  TracePoint context;   // its `span` is this span's own
  uint64_t parent = 0;  // 0: a root
  bool parent_is_remote = false;
  SpanKind kind = SpanKind::kServer;
  std::string_view name;
  std::string_view tracestate;
  uint64_t start_ns = 0;  // since the epoch
  uint64_t end_ns = 0;
};

// Writes spans in a collector's format: each is one `spans` field of a ScopeSpans message, so that
// spans of many requests can simply be concatenated. Does not allocate while `out` has capacity.
// Texts are truncated to 256 bytes, never within a character. Source: opentelemetry.proto.trace.v1.
class SpanWriter {
 public:
  static constexpr size_t kLongestText = 256;

  // Begins a span at the end of `out`.
  SpanWriter(std::string& out, const SpanHead& head);
  SpanWriter(const SpanWriter&) = delete;
  SpanWriter& operator=(const SpanWriter&) = delete;

  // An empty text is omitted.
  void Text(std::string_view key, std::string_view value);
  void Number(std::string_view key, uint64_t value);
  // Something that happened during the span, at `at_ns` since the epoch: what Text and Number write
  // until EndEvent are its attributes.
  void BeginEvent(uint64_t at_ns, std::string_view name);
  void EndEvent();
  // Marks the span as failed.
  void Error(std::string_view message);
  // Call once, last.
  void End();

 private:
  std::string& out_;
  size_t length_at_;
  size_t event_at_ = 0;
  uint32_t attributes_;  // the field that they are in
};

}  // namespace tulle::telemetry
