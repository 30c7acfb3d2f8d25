#include <algorithm>
#include <cstdlib>

#include "control-plane/api/call.h"
#include "control-plane/insight/trace_ring.h"

namespace tulle::api {
namespace {

constexpr int kMostTraces = 1000;
constexpr char kTraces[] = "50";

Json SpanJson(const insight::Span& span) {
  Json json = {{"spanId", span.span_id},
               {"parentSpanId", span.parent_id},
               {"name", span.name},
               {"kind", span.kind},
               {"service", span.service},
               {"reporter", span.reporter},
               {"startUnixNano", std::to_string(span.start_ns)},
               {"durationMicros", (std::max(span.end_ns, span.start_ns) - span.start_ns) / 1000},
               {"error", span.is_error},
               {"attributes", Json::object()}};
  for (const auto& [key, value] : span.attributes) json["attributes"][key] = value;
  return json;
}

Json TraceJson(const insight::Trace& trace) {
  Json json = {{"traceId", trace.id}, {"spans", Json::array()}};
  for (const insight::Span& span : trace.spans) json["spans"].push_back(SpanJson(span));
  return json;
}

}  // namespace

ApiResponse Api::ListTraces(const Call& call) {
  const int asked = std::atoi(call.QueryOr("limit", kTraces).c_str());
  const auto most = static_cast<size_t>(std::clamp(asked, 1, kMostTraces));
  Json json = {{"traces", Json::array()}};
  if (parts_.traces == nullptr) return Answer(json);
  for (const insight::Trace& trace : parts_.traces->Newest(most))
    json["traces"].push_back(TraceJson(trace));
  return Answer(json);
}

ApiResponse Api::GetTrace(const Call& call) {
  const auto trace =
      parts_.traces == nullptr ? std::nullopt : parts_.traces->Find(call.arguments[0]);
  if (trace) return Answer(TraceJson(*trace));
  return Refuse(404, "no trace with this id is kept",
                "only the newest are; see /v1/traces, and whether the request was sampled");
}

}  // namespace tulle::api
