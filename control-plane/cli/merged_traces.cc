#include "control-plane/cli/merged_traces.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

namespace tulle::cli {

Json MergedTraces(const std::vector<Json>& answers, const api::TraceQuery& query) {
  std::vector<insight::TraceSummary> traces;
  std::unordered_map<std::string, size_t> known;
  for (const Json& answer : answers) {
    for (const Json& each : PartAt(answer, "/traces")) {
      insight::TraceSummary trace = api::ReadSummary(each);
      const auto [entry, is_new] = known.emplace(trace.id, traces.size());
      if (is_new) {
        traces.push_back(std::move(trace));
      } else {
        AddTo(&traces[entry->second], std::move(trace));
      }
    }
  }
  std::erase_if(traces, [&](const auto& trace) { return !query.filter.Matches(trace); });
  std::stable_sort(traces.begin(), traces.end(),
                   [](const auto& a, const auto& b) { return a.end_ns > b.end_ns; });
  Json merged = {{"traces", Json::array()}, {"matching", traces.size()}, {"known", known.size()}};
  if (traces.size() > query.limit) traces.resize(query.limit);
  for (const auto& trace : traces) merged["traces"].push_back(api::SummaryJson(trace));
  return merged;
}

}  // namespace tulle::cli
