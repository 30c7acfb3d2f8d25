#include "control-plane/api/request_json.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace tulle::api {
namespace {

using insight::v1::RequestFilter;
using insight::v1::RequestRecord;

constexpr uint32_t kHighestStatus = 999;
constexpr uint32_t kLongestMillis = 24 * 3600 * 1000;
constexpr size_t kLongestFilterText = 256;
constexpr size_t kMostStatuses = 8;

void AddText(const char* name, const std::string& text, Json* json) {
  if (!text.empty()) (*json)[name] = text;
}

void AddFlag(const char* name, bool flag, Json* json) {
  if (flag) (*json)[name] = true;
}

template <typename Headers>
void AddHeaders(const char* name, const Headers& headers, Json* json) {
  for (const insight::v1::ShownHeader& header : headers) {
    Json one = {{"name", header.name()}, {"value", header.value()}};
    AddFlag("redacted", header.redacted(), &one);
    (*json)[name].push_back(std::move(one));
  }
}

void AddTexts(const RequestRecord& record, Json* json) {
  AddText("requestId", record.request_id(), json);
  AddText("traceId", record.trace_id(), json);
  AddText("method", record.method(), json);
  AddText("authority", record.authority(), json);
  AddText("path", record.path(), json);
  AddText("responseFlags", record.response_flags(), json);
  AddText("cause", record.cause(), json);
  AddText("detail", record.detail(), json);
  AddText("source", record.source(), json);
  AddText("sourceAddress", record.source_address(), json);
  AddText("service", record.service(), json);
  AddText("route", record.route(), json);
  AddText("cluster", record.cluster(), json);
  AddText("endpoint", record.endpoint(), json);
  AddText("destination", record.destination(), json);
  AddText("policy", record.policy(), json);
  AddText("configuration", record.configuration(), json);
  AddText("proxy", record.proxy(), json);
}

// "503", "5xx", or "500-599".
bool ReadRange(std::string_view text, RequestFilter* filter) {
  const bool is_class = text.size() == 3 && (text.substr(1) == "xx" || text.substr(1) == "XX");
  if (is_class && text[0] >= '1' && text[0] <= '5') {
    const auto lowest = static_cast<uint32_t>(text[0] - '0') * 100;
    insight::v1::StatusRange& range = *filter->add_statuses();
    range.set_lowest(lowest);
    range.set_highest(lowest + 99);
    return true;
  }
  const size_t dash = text.find('-');
  const std::string_view lowest = text.substr(0, dash);
  const std::string_view highest = dash == std::string_view::npos ? lowest : text.substr(dash + 1);
  uint32_t from = 0;
  uint32_t to = 0;
  if (!absl::SimpleAtoi(std::string(lowest), &from) || !absl::SimpleAtoi(std::string(highest), &to))
    return false;
  if (from == 0 || from > to || to > kHighestStatus) return false;
  insight::v1::StatusRange& range = *filter->add_statuses();
  range.set_lowest(from);
  range.set_highest(to);
  return true;
}

bool ReadStatuses(const std::string& text, RequestFilter* filter) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  return parts.size() <= kMostStatuses &&
         std::all_of(parts.begin(), parts.end(),
                     [&](const auto& part) { return ReadRange(part, filter); });
}

bool ReadNumber(const std::string& text, uint32_t least, uint32_t most, uint32_t* number) {
  return absl::SimpleAtoi(text, number) && *number >= least && *number <= most;
}

// False: *refusal is set.
bool ReadNumbers(const std::map<std::string, std::string>& texts, RequestFilter* filter,
                 ApiResponse* refusal) {
  const auto refuse = [&](const char* name, const std::string& text, const char* hint) {
    *refusal = Refuse(400, "invalid value \"" + text + "\" of " + name, hint, name);
    return false;
  };
  uint32_t number = 0;
  for (const auto& [name, text] : texts) {
    if (name == "status" && !ReadStatuses(text, filter)) {
      return refuse("status", text,
                    "use a status like 503, a class like 5xx, or a range like 500-599; at most 8 "
                    "with commas");
    }
    if (name == "minMs" && !ReadNumber(text, 0, kLongestMillis, &number))
      return refuse("minMs", text, "use a number of milliseconds up to 86400000");
    if (name == "minMs") filter->set_at_least_milliseconds(number);
    if (name == "maxMs" && !ReadNumber(text, 1, kLongestMillis, &number))
      return refuse("maxMs", text, "use a number of milliseconds from 1 to 86400000");
    if (name == "maxMs") filter->set_at_most_milliseconds(number);
    if (name == "limit" && !ReadNumber(text, 1, kMostRequests, &number))
      return refuse("limit", text, "use a number from 1 to 1000");
    if (name == "limit") filter->set_limit(number);
    if (name == "failed" && text != "true" && text != "false")
      return refuse("failed", text, "use failed=true or failed=false");
    if (name == "failed") filter->set_failed_only(text == "true");
  }
  return true;
}

}  // namespace

Json RequestJson(const RequestRecord& record) {
  Json json = {{"outbound", record.outbound()},
               {"startedMicros", record.started_micros()},
               {"status", record.status()},
               {"mutualTls", record.mutual_tls()},
               {"attempts", record.attempts()},
               {"requestEnded", record.request_ended()},
               {"upstreamAsked", record.upstream_asked()},
               {"upstreamAnswered", record.upstream_answered()},
               {"ended", record.ended()},
               {"requestBytes", record.request_bytes()},
               {"responseBytes", record.response_bytes()}};
  AddTexts(record, &json);
  if (record.configured_micros() != 0) json["configuredMicros"] = record.configured_micros();
  if (record.has_grpc_status()) json["grpcStatus"] = record.grpc_status();
  AddFlag("failed", record.failed(), &json);
  AddFlag("retriesExhausted", record.retries_exhausted(), &json);
  AddFlag("retryBudgetExhausted", record.retry_budget_exhausted(), &json);
  AddFlag("delayInjected", record.delay_injected(), &json);
  for (const insight::v1::Decision& decision : record.decisions()) {
    json["decisions"].push_back({{"kind", decision.kind()},
                                 {"subject", decision.subject()},
                                 {"positive", decision.positive()},
                                 {"reason", decision.reason()}});
  }
  AddHeaders("requestHeaders", record.request_headers(), &json);
  AddHeaders("responseHeaders", record.response_headers(), &json);
  if (record.headers_left_out() > 0) json["headersLeftOut"] = record.headers_left_out();
  if (record.decisions_left_out() != 0) json["decisionsLeftOut"] = record.decisions_left_out();
  return json;
}

std::optional<RequestFilter> ReadFilter(const std::map<std::string, std::string>& texts,
                                        ApiResponse* refusal) {
  RequestFilter filter;
  const auto text_of = [&](const char* name) {
    const auto found = texts.find(name);
    return found == texts.end() ? std::string() : found->second;
  };
  for (const auto& [name, text] : texts) {
    if (text.size() <= kLongestFilterText) continue;
    *refusal = Refuse(400, name + " is too long", "use at most 256 bytes", name);
    return std::nullopt;
  }
  filter.set_id(text_of("id"));
  filter.set_service(text_of("service"));
  filter.set_method(text_of("method"));
  filter.set_path_prefix(text_of("path"));
  filter.set_source(text_of("source"));
  filter.set_namespace_(text_of("namespace"));
  filter.set_limit(kUsualRequests);
  if (!ReadNumbers(texts, &filter, refusal)) return std::nullopt;
  return filter;
}

}  // namespace tulle::api
