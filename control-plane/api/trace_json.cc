#include "control-plane/api/trace_json.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/numbers.h"
#include "control-plane/api/answers.h"

namespace tulle::api {
namespace {

constexpr uint32_t kLowestCode = 100;
constexpr uint32_t kHighestCode = 999;
constexpr uint32_t kMostMinMillis = 24 * 3600 * 1000;
constexpr uint64_t kNanosOfMilli = 1'000'000;
constexpr size_t kLongestCondition = 256;

bool ReadWithin(std::string_view text, uint32_t least, uint32_t most, uint32_t* number) {
  return absl::SimpleAtoi(std::string(text), number) && *number >= least && *number <= most;
}

// "503", or "500-599".
bool ReadStatusRange(std::string_view text, insight::TraceFilter* filter) {
  const size_t dash = text.find('-');
  const std::string_view highest = dash == text.npos ? text : text.substr(dash + 1);
  return ReadWithin(text.substr(0, dash), kLowestCode, kHighestCode, &filter->lowest_status) &&
         ReadWithin(highest, filter->lowest_status, kHighestCode, &filter->highest_status);
}

// What is wrong with a value; empty: nothing.
std::string_view ReadParameter(const std::string& name, const std::string& text,
                               TraceQuery* query) {
  insight::TraceFilter& filter = query->filter;
  uint32_t number = 0;
  if (text.size() > kLongestCondition) return "use at most 256 bytes";
  if (name == "id") filter.id = text;
  if (name == "service") filter.service = text;
  if (name == "path") filter.path = text;
  if (name == "status" && !ReadStatusRange(text, &filter))
    return "use a status like 503, or a range like 500-599";
  if (name == "failed") {
    if (text != "true" && text != "false") return "use failed=true or failed=false";
    filter.failed_only = text == "true";
  }
  if (name == "minMs") {
    if (!ReadWithin(text, 0, kMostMinMillis, &number))
      return "use a number of milliseconds up to 86400000";
    filter.at_least_ns = number * kNanosOfMilli;
  }
  if (name == "limit") {
    if (!ReadWithin(text, 1, kMostTraces, &number)) return "use a number from 1 to 1000";
    query->limit = number;
  }
  return "";
}

std::string TextIn(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

uint64_t NumberIn(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

uint64_t TimeIn(const Json& json, const char* name) {
  uint64_t nanos = 0;
  return absl::SimpleAtoi(TextIn(json, name), &nanos) ? nanos : 0;
}

}  // namespace

std::optional<TraceQuery> ReadTraceQuery(const std::map<std::string, std::string>& texts,
                                         ApiResponse* refusal) {
  TraceQuery query;
  for (const auto& [name, text] : texts) {
    const std::string_view wrong = ReadParameter(name, text, &query);
    if (wrong.empty()) continue;
    *refusal = Refuse(400, "invalid value \"" + text.substr(0, kLongestCondition) + "\" of " + name,
                      wrong, name);
    return std::nullopt;
  }
  return query;
}

Json SummaryJson(const insight::TraceSummary& trace) {
  return {{"traceId", trace.id},
          {"startUnixNano", std::to_string(trace.start_ns)},
          {"endUnixNano", std::to_string(trace.end_ns)},
          {"first",
           {{"startUnixNano", std::to_string(trace.first_start_ns)},
            {"isRoot", trace.has_root},
            {"name", trace.name},
            {"method", trace.method},
            {"path", trace.path},
            {"status", trace.status},
            {"error", trace.is_error}}},
          {"error", trace.has_errors},
          {"services", trace.services},
          {"spans", trace.spans},
          {"sidecarMicros", trace.sidecar_micros}};
}

insight::TraceSummary ReadSummary(const Json& json) {
  insight::TraceSummary trace;
  if (!json.is_object()) return trace;
  const Json first = json.value("first", Json::object());
  trace.id = TextIn(json, "traceId");
  trace.start_ns = TimeIn(json, "startUnixNano");
  trace.end_ns = TimeIn(json, "endUnixNano");
  trace.has_errors = json.value("error", Json()) == true;
  trace.spans = NumberIn(json, "spans");
  trace.sidecar_micros = NumberIn(json, "sidecarMicros");
  for (const Json& service : json.value("services", Json::array())) {
    if (service.is_string()) trace.services.push_back(service.get<std::string>());
  }
  if (!first.is_object()) return trace;
  trace.first_start_ns = TimeIn(first, "startUnixNano");
  trace.has_root = first.value("isRoot", Json()) == true;
  trace.name = TextIn(first, "name");
  trace.method = TextIn(first, "method");
  trace.path = TextIn(first, "path");
  trace.status = TextIn(first, "status");
  trace.is_error = first.value("error", Json()) == true;
  return trace;
}

}  // namespace tulle::api
