// What several replicas know of single requests, as one answer (replicas.h). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Of /v1/requests: newest first, each once.
Json MergedRequests(const std::vector<Json>& answers);
// Of /v1/failures: counts added up. A request whose caller and service report to different replicas
// is counted by both, so that a sum is at most twice too high: replicas tell numbers, not requests.
Json MergedFailures(const std::vector<Json>& answers);
// Of one trace: the spans of all, each once.
Json MergedTrace(const std::vector<Json>& answers);
// Of /v1/events: by time, the newest last, at most `most`. The counts of equal ones are added up,
// except of those that each replica sees.
Json MergedEvents(const std::vector<Json>& answers, size_t most);
// Of /v1/metrics: the texts of all, one after the other.
Json MergedMetrics(const std::vector<Json>& answers);
// Of reading a tap.
Json MergedNews(const std::vector<Json>& answers);

// The id of a tap that is open at each replica: their pods with their ids. "pod-a=1-ab,pod-b=1-cd"
std::string JoinedTap(const std::vector<std::string>& pods, const std::vector<Json>& opened);
// Parts that a replica cannot have named are left out.
std::vector<std::pair<std::string, std::string>> PartsOfTap(const std::string& id);

}  // namespace tulle::cli
