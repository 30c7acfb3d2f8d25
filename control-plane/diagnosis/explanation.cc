#include "control-plane/diagnosis/explanation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/diagnosis/request_text.h"

namespace tulle::diagnosis {
namespace {

Json HopJson(const std::vector<Hop>& hops, size_t index) {
  const Hop& hop = hops[index];
  Json json = hop.record;
  json["depth"] = hop.depth;
  json["title"] = HopTitle(hop.record);
  json["outcome"] = HopOutcome(hop.record);
  json["lines"] = Json::array();
  for (const auto& [name, text] : HopLines(hop.record, InnerOf(hops, index)))
    json["lines"].push_back({{"name", name}, {"text", text}});
  json["considered"] = ConsideredIn(hop.record);
  return json;
}

}  // namespace

std::string TitleOf(const std::vector<Hop>& hops) {
  const Json& first = hops.front().record;
  return absl::StrCat(TextAt(first, "/method"), " ", TextAt(first, "/authority"),
                      TextAt(first, "/path"), ": ", HopOutcome(first));
}

std::string ResultOf(const std::vector<Hop>& hops, const Verdict& verdict) {
  if (verdict.hop >= 0) return absl::StrCat("hop ", verdict.hop + 1, ": ", verdict.meaning);
  for (size_t i = 1; i < hops.size(); ++i) {
    if (TrueAt(hops[i].record, "/failed"))
      return absl::StrCat("it succeeded: what failed at hop ", i + 1,
                          " was made good by a retry or "
                          "by the service that called");
  }
  return MissingIn(hops).empty() ? "no sidecar recorded a failure"
                                 : "unknown: the record of a sidecar that decided may be missing";
}

Json ExplanationOf(const Json& found) {
  Json json = {{"hops", Json::array()},
               {"asked", NumberAt(found, "/asked")},
               {"answered", NumberAt(found, "/answered")}};
  const std::vector<Hop> hops = OrderedHops(PartAt(found, "/requests"));
  if (hops.empty()) return json;
  const Json& first = hops.front().record;
  json["title"] = TitleOf(hops);
  json["requestId"] = TextAt(first, "/requestId");
  if (std::string trace = TextAt(first, "/traceId"); !trace.empty())
    json["traceId"] = std::move(trace);
  json["startedMicros"] = NumberAt(first, "/startedMicros");
  json["time"] = TimeOf(hops);
  for (size_t i = 0; i < hops.size(); ++i) json["hops"].push_back(HopJson(hops, i));
  for (const std::string& one : MissingIn(hops)) json["missing"].push_back(one);
  const Verdict verdict = VerdictOn(hops);
  json["result"] = ResultOf(hops, verdict);
  if (verdict.hop < 0) return json;
  json["verdict"] = {{"hop", verdict.hop},         {"cause", verdict.cause},
                     {"meaning", verdict.meaning}, {"nextStep", verdict.next_step},
                     {"field", verdict.field},     {"policy", verdict.policy},
                     {"command", verdict.command}};
  return json;
}

Unknown UnknownRequest(const std::string& id, const Json& found) {
  const std::string error = "no sidecar knows a request \"" + id + "\"";
  const int64_t asked = NumberAt(found, "/asked");
  const int64_t answered = NumberAt(found, "/answered");
  if (answered < asked) {
    return {error, absl::StrCat(asked - answered, " of ", asked,
                                " sidecars did not answer: see `tullectl status`; those of an "
                                "older version cannot")};
  }
  return {error,
          "a sidecar keeps its last 4,096 requests of each worker: try again with a newer one, or "
          "list failures with `tullectl errors`. The ID is x-request-id, or that of a trace"};
}

}  // namespace tulle::diagnosis
