#include "control-plane/insight/trace_summary.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "absl/strings/numbers.h"

namespace tulle::insight {
namespace {

constexpr size_t kMostServices = 32;  // of one trace

// The first of these attributes that the span has: other sidecars use older names.
std::string AttributeOf(const Span& span, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const auto& [key, value] : span.attributes) {
      if (key == name) return value;
    }
  }
  return "";
}

uint64_t SidecarMicrosOf(const Span& span) {
  uint64_t micros = 0;
  if (span.kind != "server") return 0;
  return absl::SimpleAtoi(AttributeOf(span, {"tulle.mesh.microseconds"}), &micros) ? micros : 0;
}

// Of spans by start. The clocks of hosts differ: a child may begin before its parent.
const Span& FirstOf(const std::vector<const Span*>& spans) {
  std::unordered_set<std::string_view> known;
  for (const Span* span : spans) known.insert(span->span_id);
  const auto first = std::find_if(spans.begin(), spans.end(), [&](const Span* span) {
    return !known.contains(span->parent_id);
  });
  return first == spans.end() ? *spans.front() : **first;  // they may be each other's parents
}

void AddService(const std::string& name, std::vector<std::string>* services) {
  if (services->size() == kMostServices) return;
  if (std::find(services->begin(), services->end(), name) == services->end())
    services->push_back(name);
}

// Far more than the longest request has.
uint64_t Sum(uint64_t one, uint64_t other) {
  constexpr uint64_t kMostMicros = uint64_t{1} << 50;
  return std::min(one, kMostMicros) + std::min(other, kMostMicros);
}

}  // namespace

TraceSummary SummaryOf(std::vector<const Span*> spans) {
  std::stable_sort(spans.begin(), spans.end(),
                   [](const Span* a, const Span* b) { return a->start_ns < b->start_ns; });
  const Span& first = FirstOf(spans);
  TraceSummary summary;
  summary.id = first.trace_id;
  summary.start_ns = spans.front()->start_ns;
  summary.has_root = first.parent_id.empty();
  summary.first_start_ns = first.start_ns;
  summary.method = AttributeOf(first, {"http.request.method", "http.method"});
  summary.path = AttributeOf(first, {"url.path", "http.target", "http.url"});
  summary.name = first.name;
  summary.status = AttributeOf(first, {"http.response.status_code", "http.status_code"});
  summary.is_error = first.is_error;
  summary.spans = spans.size();
  for (const Span* span : spans) {
    summary.end_ns = std::max({summary.end_ns, span->start_ns, span->end_ns});
    summary.has_errors = summary.has_errors || span->is_error;
    summary.sidecar_micros = Sum(summary.sidecar_micros, SidecarMicrosOf(*span));
    if (span->service != (summary.services.empty() ? "" : summary.services.back()))
      AddService(span->service, &summary.services);
  }
  return summary;
}

void AddTo(TraceSummary* summary, TraceSummary other) {
  const bool is_before = other.has_root != summary->has_root
                             ? other.has_root
                             : other.first_start_ns < summary->first_start_ns;
  if (is_before) std::swap(*summary, other);
  summary->start_ns = std::min(summary->start_ns, other.start_ns);
  summary->end_ns = std::max(summary->end_ns, other.end_ns);
  summary->has_errors = summary->has_errors || other.has_errors;
  summary->spans += other.spans;
  summary->sidecar_micros = Sum(summary->sidecar_micros, other.sidecar_micros);
  for (const std::string& name : other.services) AddService(name, &summary->services);
}

bool TraceFilter::Matches(const TraceSummary& trace) const {
  if (!trace.id.starts_with(id) || !trace.path.starts_with(path)) return false;
  if (failed_only && !trace.has_errors) return false;
  if (trace.end_ns - trace.start_ns < at_least_ns) return false;
  uint32_t status = 0;
  if (highest_status != 0 && (!absl::SimpleAtoi(trace.status, &status) || status < lowest_status ||
                              status > highest_status))
    return false;
  return service.empty() ||
         std::any_of(trace.services.begin(), trace.services.end(),
                     [&](const std::string& name) { return name.starts_with(service); });
}

}  // namespace tulle::insight
