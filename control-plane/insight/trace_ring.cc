#include "control-plane/insight/trace_ring.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace tulle::insight {
namespace {

namespace tracev1 = opentelemetry::proto::trace::v1;
namespace commonv1 = opentelemetry::proto::common::v1;

constexpr size_t kMostAttributes = 64;
constexpr size_t kMostEvents = 32;
constexpr size_t kLongestText = 512;

std::string TextOf(const commonv1::AnyValue& value) {
  switch (value.value_case()) {
    case commonv1::AnyValue::kStringValue:
      return value.string_value().substr(0, kLongestText);
    case commonv1::AnyValue::kIntValue:
      return std::to_string(value.int_value());
    case commonv1::AnyValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case commonv1::AnyValue::kDoubleValue:
      return std::to_string(value.double_value());
    default:
      return "";
  }
}

const char* KindOf(tracev1::Span::SpanKind kind) {
  switch (kind) {
    case tracev1::Span::SPAN_KIND_SERVER:
      return "server";
    case tracev1::Span::SPAN_KIND_CLIENT:
      return "client";
    case tracev1::Span::SPAN_KIND_PRODUCER:
      return "producer";
    case tracev1::Span::SPAN_KIND_CONSUMER:
      return "consumer";
    default:
      return "internal";
  }
}

// Of one attribute, besides its texts.
constexpr size_t kAttributeBytes = 2 * sizeof(std::string);

// `room`: what the span may still have.
template <typename KeyValues>
SpanAttributes ToAttributes(const KeyValues& from, size_t& room) {
  SpanAttributes attributes;
  for (const auto& attribute : from) {
    if (attributes.size() == kMostAttributes) break;
    std::string key = attribute.key().substr(0, kLongestText);
    std::string value = TextOf(attribute.value());
    const size_t bytes = key.size() + value.size() + kAttributeBytes;
    if (bytes > room) break;
    room -= bytes;
    attributes.emplace_back(std::move(key), std::move(value));
  }
  return attributes;
}

Span ToSpan(const tracev1::Span& from) {
  Span span;
  span.trace_id = absl::BytesToHexString(from.trace_id());
  span.span_id = absl::BytesToHexString(from.span_id());
  span.parent_id = absl::BytesToHexString(from.parent_span_id());
  span.name = from.name().substr(0, kLongestText);
  span.kind = KindOf(from.kind());
  span.start_ns = from.start_time_unix_nano();
  span.end_ns = from.end_time_unix_nano();
  span.is_error = from.status().code() == tracev1::Status::STATUS_CODE_ERROR;
  size_t room = TraceRing::kLargestSpan;
  span.attributes = ToAttributes(from.attributes(), room);
  for (const auto& event : from.events()) {
    std::string name = event.name().substr(0, kLongestText);
    const size_t bytes = sizeof(SpanEvent) + name.size();
    if (span.events.size() == kMostEvents || bytes > room) break;
    room -= bytes;
    span.events.push_back(
        {event.time_unix_nano(), std::move(name), ToAttributes(event.attributes(), room)});
  }
  return span;
}

size_t SizeOf(const SpanAttributes& attributes) {
  size_t size = 0;
  for (const auto& [key, value] : attributes) size += key.size() + value.size() + kAttributeBytes;
  return size;
}

size_t SizeOf(const Span& span) {
  size_t size = sizeof span + span.name.size() + span.service.size() + span.reporter.size() + 64 +
                SizeOf(span.attributes);
  for (const SpanEvent& event : span.events)
    size += sizeof event + event.name.size() + SizeOf(event.attributes);
  return size;
}

std::string ServiceOf(const tracev1::ResourceSpans& part) {
  for (const auto& attribute : part.resource().attributes()) {
    if (attribute.key() == "service.name") return TextOf(attribute.value());
  }
  return "unknown_service";
}

bool HasValidIds(const tracev1::Span& span) {
  const size_t parent = span.parent_span_id().size();
  return span.trace_id().size() == 16 && span.span_id().size() == 8 && (parent == 0 || parent == 8);
}

void SortByStart(Trace* trace) {
  std::stable_sort(trace->spans.begin(), trace->spans.end(),
                   [](const Span& a, const Span& b) { return a.start_ns < b.start_ns; });
}

}  // namespace

bool TraceRing::Add(std::string_view bytes, const std::string& reporter) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  for (const auto& part : request.resource_spans()) {
    const std::string service = ServiceOf(part);
    for (const auto& scope : part.scope_spans()) {
      for (const auto& each : scope.spans()) {
        if (!HasValidIds(each)) continue;
        Span span = ToSpan(each);
        span.service = service;
        span.reporter = reporter;
        Push(std::move(span));
      }
    }
  }
  return true;
}

void TraceRing::Push(Span span) {
  const size_t bytes = SizeOf(span);
  bytes_ += bytes;
  spans_.push_back(std::move(span));
  Share& own = of_reporter_[spans_.back().reporter];
  own.spans.push_back(std::prev(spans_.end()));
  own.bytes += bytes;
  while (spans_.size() > kMostSpans || bytes_ > kMostBytes)
    Drop(own.is_large() ? own.spans.front() : spans_.begin());
}

// It is the oldest one of its reporter.
void TraceRing::Drop(Spans::iterator span) {
  const auto own = of_reporter_.find(span->reporter);
  const size_t bytes = SizeOf(*span);
  own->second.spans.pop_front();
  own->second.bytes -= bytes;
  if (own->second.spans.empty()) of_reporter_.erase(own);
  bytes_ -= bytes;
  spans_.erase(span);
}

FoundTraces TraceRing::Search(const TraceFilter& filter, size_t most) const {
  std::vector<std::vector<const Span*>> traces;  // by the arrival of their last span
  std::unordered_map<std::string_view, size_t> known;
  known.reserve(spans_.size());
  for (auto span = spans_.rbegin(); span != spans_.rend(); ++span) {
    const auto [entry, is_new] = known.emplace(span->trace_id, traces.size());
    if (is_new) traces.emplace_back();
    traces[entry->second].push_back(&*span);
  }
  FoundTraces found;
  found.known = traces.size();
  for (auto& spans : traces) {
    TraceSummary summary = SummaryOf(std::move(spans));
    if (!filter.Matches(summary)) continue;
    ++found.matching;
    if (found.traces.size() < most) found.traces.push_back(std::move(summary));
  }
  return found;
}

std::optional<Trace> TraceRing::Find(std::string_view id) const {
  Trace trace{std::string(id), {}};
  for (const Span& span : spans_) {
    if (span.trace_id == id) trace.spans.push_back(span);
  }
  if (trace.spans.empty()) return std::nullopt;
  SortByStart(&trace);
  return trace;
}

}  // namespace tulle::insight
