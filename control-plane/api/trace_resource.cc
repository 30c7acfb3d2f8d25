#include <algorithm>

#include "control-plane/api/answers.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/api/trace_json.h"
#include "control-plane/insight/trace_ring.h"

namespace tulle::api {
namespace {

Json AttributesJson(const insight::SpanAttributes& attributes) {
  Json json = Json::object();
  for (const auto& [key, value] : attributes) json[key] = value;
  return json;
}

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
               {"attributes", AttributesJson(span.attributes)},
               {"events", Json::array()}};
  for (const insight::SpanEvent& event : span.events) {
    json["events"].push_back({{"atUnixNano", std::to_string(event.at_ns)},
                              {"name", event.name},
                              {"attributes", AttributesJson(event.attributes)}});
  }
  return json;
}

Json TraceJson(const insight::Trace& trace) {
  Json json = {{"traceId", trace.id}, {"spans", Json::array()}};
  for (const insight::Span& span : trace.spans) json["spans"].push_back(SpanJson(span));
  return json;
}

}  // namespace

Routes TraceResource::routes() {
  return {
      {"GET",
       "/v1/traces",
       Access::kReader,
       "List the newest traces, from the spans of sidecars: what the first span of each says, the "
       "services that took part, the time in sidecars",
       By(this, &TraceResource::List),
       {{"id", "the first digits of its ID"},
        {"service", "how the name of a service that took part begins"},
        {"path", "prefix of the path"},
        {"status", "status, or a range as 500-599"},
        {"failed", "`true`: only traces with a failed span"},
        {"minMs", "only those that took at least so many milliseconds"},
        {"limit", "number of traces, at most 1000; defaults to 50"}}},
      {"GET", "/v1/traces/{id}", Access::kReader, "Show a trace", By(this, &TraceResource::Get)},
  };
}

ApiResponse TraceResource::List(const Call& call) {
  ApiResponse refusal;
  const auto query = ReadTraceQuery(call.request.query, &refusal);
  if (!query) return refusal;
  const insight::FoundTraces found =
      traces_ == nullptr ? insight::FoundTraces() : traces_->Search(query->filter, query->limit);
  Json json = {{"traces", Json::array()}, {"matching", found.matching}, {"known", found.known}};
  for (const insight::TraceSummary& trace : found.traces)
    json["traces"].push_back(SummaryJson(trace));
  return Answer(json);
}

ApiResponse TraceResource::Get(const Call& call) {
  const auto trace = traces_ == nullptr ? std::nullopt : traces_->Find(call.arguments[0]);
  if (trace) return Answer(TraceJson(*trace));
  return Refuse(404, "trace not found",
                "only the newest traces are kept, of requests that were sampled; see /v1/traces");
}

}  // namespace tulle::api
