#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "control-plane/api/live_resources.h"
#include "control-plane/api/request_json.h"
#include "control-plane/diagnosis/explanation.h"
#include "control-plane/insight/failure_book.h"
#include "control-plane/insight/request_records.h"

namespace tulle::api {
namespace {

using insight::v1::RequestFilter;
using insight::v1::RequestRecord;

constexpr char kFailureWindow[] = "3600";

const std::vector<QueryParameter> kFilter = {
    {"id", "x-request-id, or the ID of a trace"},
    {"service", "a host, or its first labels: cart or cart.shop"},
    {"namespace", "namespace of the service"},
    {"method", "method, as GET"},
    {"path", "prefix of the path"},
    {"source", "caller: SPIFFE ID, or ACCOUNT.NAMESPACE"},
    {"failed", "`true`: only failed requests"},
    {"status", "status, or a range as 500-599"},
    {"minMs", "only those that took at least so many milliseconds"},
    {"limit",
     "number of requests, at most 1000; defaults to 100. If more match, identities take turns, "
     "each "
     "with its newest one"},
};

// The same request, seen by the same sidecar.
auto KeyOf(const RequestRecord& record) {
  return std::make_tuple(record.proxy(), record.request_id(), record.outbound(),
                         record.started_micros(), record.path());
}

// Of a record that both have, the one with decisions stays.
std::vector<RequestRecord> Merged(std::vector<RequestRecord> answers,
                                  std::vector<RequestRecord> kept) {
  std::vector<RequestRecord> all = std::move(answers);
  for (RequestRecord& record : kept) all.push_back(std::move(record));
  std::stable_sort(all.begin(), all.end(), [](const auto& one, const auto& other) {
    if (one.started_micros() != other.started_micros())
      return one.started_micros() > other.started_micros();
    return one.decisions_size() > other.decisions_size();
  });
  std::set<decltype(KeyOf(all[0]))> seen;
  std::erase_if(all,
                [&](const RequestRecord& record) { return !seen.insert(KeyOf(record)).second; });
  return all;
}

Json FoundJson(insight::Questions::Outcome outcome, std::vector<RequestRecord> kept, size_t limit) {
  std::vector<RequestRecord> all = Merged(std::move(outcome.requests), std::move(kept));
  // What the sidecars leave out may be in the book, and is left out here then: not counted twice.
  const uint64_t beyond = all.size() > limit ? all.size() - limit : 0;
  Json json = {{"requests", Json::array()},
               {"asked", outcome.asked},
               {"answered", outcome.answered},
               {"leftOut", std::max(outcome.left_out, beyond)}};
  for (const RequestRecord& record : insight::FairlyCut(std::move(all), limit))
    json["requests"].push_back(RequestJson(record));
  if (!outcome.errors.empty()) json["errors"] = outcome.errors;
  return json;
}

Json GroupJson(const insight::FailureBook::Group& group) {
  return {{"cause", group.cause.cause},
          {"status", group.cause.status},
          {"service", group.cause.service},
          {"source", group.cause.source},
          {"count", group.count},
          {"lastUnixMicros", group.last_micros},
          {"example", RequestJson(*group.example)}};
}

}  // namespace

Routes RequestResource::routes() {
  return {
      {"GET", "/v1/requests", Access::kReader,
       "Find requests that have ended: in the flight recorders of the connected sidecars, and "
       "among "
       "the failures that sidecars have reported",
       By(this, &RequestResource::Find), kFilter},
      {"GET", "/v1/requests/{id}/explanation", Access::kReader,
       "Explain a request: the decisions of each sidecar in words, what ended it, and what to "
       "change. The id is x-request-id, or the ID of a trace",
       By(this, &RequestResource::Explain)},
      {"GET",
       "/v1/failures",
       Access::kReader,
       "Count failed requests by cause, status, service and caller",
       By(this, &RequestResource::Failures),
       {{"window", "seconds until now, 1 to 3600, rounded up to whole minutes; defaults to 3600"}}},
  };
}

ApiResponse RequestResource::Find(const Call& call) {
  return Ask(call, call.request.query, [](const Json& found) { return Answer(found); });
}

ApiResponse RequestResource::Explain(const Call& call) {
  const std::string& id = call.arguments[0];
  return Ask(call, {{"id", id}, {"limit", std::string(diagnosis::kMostHops)}},
             [id](const Json& found) {
               const Json explanation = diagnosis::ExplanationOf(found);
               if (!explanation["hops"].empty()) return Answer(explanation);
               const diagnosis::Unknown unknown = diagnosis::UnknownRequest(id, found);
               return Refuse(404, unknown.error, unknown.hint);
             });
}

ApiResponse RequestResource::Ask(const Call& call, const Texts& texts, Finish finish) {
  ApiResponse refusal;
  const auto filter = ReadFilter(texts, &refusal);
  if (!filter) return refusal;
  if (live_.questions == nullptr) return finish(FoundJson({}, {}, filter->limit()));
  ApiResponse response;
  response.later = [live = live_, filter = *filter, caller = call.caller.name,
                    finish = std::move(finish)](ApiResponse::Respond respond) {
    insight::v1::Question question;
    *question.mutable_find() = filter;
    const bool is_asked = live.questions->Ask(
        caller, [](const insight::Respondent&) { return true; }, std::move(question),
        [live, filter, finish, respond](insight::Questions::Outcome outcome) {
          respond(
              finish(FoundJson(std::move(outcome), live.failures->Find(filter), filter.limit())));
        });
    if (!is_asked) respond(RefuseQuestion());
  };
  return response;
}

ApiResponse RequestResource::Failures(const Call& call) {
  int64_t window = 0;
  const std::string text = call.QueryOr("window", kFailureWindow);
  if (!absl::SimpleAtoi(text, &window) || window < 1 ||
      window > insight::FailureBook::kKeptSeconds) {
    return Refuse(400, "window must be a number of seconds from 1 to 3600", "", "window");
  }
  Json json = {{"seconds", window}, {"groups", Json::array()}, {"leftOut", 0}};
  if (live_.failures == nullptr) return Answer(json);
  for (const auto& group : live_.failures->Since(call.now - window))
    json["groups"].push_back(GroupJson(group));
  json["leftOut"] = live_.failures->LeftOutSince(call.now - window);
  return Answer(json);
}

}  // namespace tulle::api
