#include "control-plane/api/request_json.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/numbers.h"

namespace tulle::api {
namespace {

using insight::v1::RequestFilter;
using insight::v1::RequestRecord;

constexpr uint32_t kHighestStatus = 999;
constexpr uint32_t kLongestMillis = 24 * 3600 * 1000;
constexpr size_t kLongestFilterText = 256;

void AddText(const char* name, const std::string& text, Json* json) {
  if (!text.empty()) (*json)[name] = text;
}

void AddFlag(const char* name, bool flag, Json* json) {
  if (flag) (*json)[name] = true;
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
  AddText("proxy", record.proxy(), json);
}

// "503", or "500-599".
bool ReadRange(std::string_view text, RequestFilter* filter) {
  const size_t dash = text.find('-');
  const std::string_view lowest = text.substr(0, dash);
  const std::string_view highest = dash == std::string_view::npos ? lowest : text.substr(dash + 1);
  uint32_t from = 0;
  uint32_t to = 0;
  if (!absl::SimpleAtoi(std::string(lowest), &from) || !absl::SimpleAtoi(std::string(highest), &to))
    return false;
  if (from == 0 || from > to || to > kHighestStatus) return false;
  filter->set_lowest_status(from);
  filter->set_highest_status(to);
  return true;
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
    if (name == "status" && !ReadRange(text, filter))
      return refuse("status", text, "use a status like 503, or a range like 500-599");
    if (name == "minMs" && !ReadNumber(text, 0, kLongestMillis, &number))
      return refuse("minMs", text, "use a number of milliseconds up to 86400000");
    if (name == "minMs") filter->set_at_least_milliseconds(number);
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
