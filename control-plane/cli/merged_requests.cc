#include "control-plane/cli/merged_requests.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tulle::cli {
namespace {

void AppendAll(const std::vector<Json>& answers, const std::string& name, Json* merged) {
  (*merged)[name] = Json::array();
  for (const Json& answer : answers) {
    for (const Json& each : PartAt(answer, "/" + name)) (*merged)[name].push_back(each);
  }
}

void AddUp(const std::vector<Json>& answers, const std::string& name, Json* merged) {
  int64_t sum = 0;
  for (const Json& answer : answers) sum += NumberAt(answer, "/" + name);
  (*merged)[name] = sum;
}

std::string KeyOf(const Json& record) {
  return Json{TextAt(record, "/proxy"), TextAt(record, "/requestId"), TrueAt(record, "/outbound"),
              NumberAt(record, "/startedMicros")}
      .dump();
}

// The sums, with the newest example.
void AddGroup(const Json& group, Json* sum) {
  if (sum->is_null()) {
    *sum = group;
    return;
  }
  const int64_t count = NumberAt(*sum, "/count") + NumberAt(group, "/count");
  if (NumberAt(group, "/lastUnixMicros") > NumberAt(*sum, "/lastUnixMicros")) *sum = group;
  (*sum)["count"] = count;
}

// Decimal numbers without leading zeros.
bool IsLess(const std::string& one, const std::string& other) {
  return one.size() != other.size() ? one.size() < other.size() : one < other;
}

void AddEvent(const Json& event, Json* sum) {
  if (sum->is_null()) {
    *sum = event;
    return;
  }
  const int64_t here = NumberAt(*sum, "/count");
  const int64_t there = NumberAt(event, "/count");
  (*sum)["count"] = TrueAt(event, "/ofAllReplicas") ? std::max(here, there) : here + there;
  (*sum)["firstAt"] = std::min(NumberAt(*sum, "/firstAt"), NumberAt(event, "/firstAt"));
  (*sum)["lastAt"] = std::max(NumberAt(*sum, "/lastAt"), NumberAt(event, "/lastAt"));
}

// As the control plane makes them: "12-ab34".
bool IsTapId(std::string_view id) {
  return !id.empty() && id.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace

Json MergedRequests(const std::vector<Json>& answers) {
  Json merged;
  AppendAll(answers, "requests", &merged);
  for (const char* count : {"asked", "answered", "leftOut"}) AddUp(answers, count, &merged);
  auto& requests = merged["requests"].get_ref<Json::array_t&>();
  std::stable_sort(requests.begin(), requests.end(), [](const Json& one, const Json& other) {
    return NumberAt(one, "/startedMicros") > NumberAt(other, "/startedMicros");
  });
  std::set<std::string> seen;
  std::erase_if(requests, [&](const Json& record) { return !seen.insert(KeyOf(record)).second; });
  return merged;
}

Json MergedFailures(const std::vector<Json>& answers) {
  std::map<std::string, Json> groups;
  for (const Json& answer : answers) {
    for (const Json& group : PartAt(answer, "/groups")) {
      AddGroup(group, &groups[Json{TextAt(group, "/cause"), NumberAt(group, "/status"),
                                   TextAt(group, "/service"), TextAt(group, "/source")}
                                  .dump()]);
    }
  }
  Json merged = {{"groups", Json::array()}, {"seconds", 0}};
  AddUp(answers, "leftOut", &merged);
  if (!answers.empty()) merged["seconds"] = NumberAt(answers.front(), "/seconds");
  for (auto& [key, group] : groups) merged["groups"].push_back(std::move(group));
  auto& all = merged["groups"].get_ref<Json::array_t&>();
  std::stable_sort(all.begin(), all.end(), [](const Json& one, const Json& other) {
    return NumberAt(one, "/count") > NumberAt(other, "/count");
  });
  return merged;
}

Json MergedTrace(const std::vector<Json>& answers) {
  Json merged = {{"traceId", answers.empty() ? "" : TextAt(answers.front(), "/traceId")}};
  AppendAll(answers, "spans", &merged);
  auto& spans = merged["spans"].get_ref<Json::array_t&>();
  std::stable_sort(spans.begin(), spans.end(), [](const Json& one, const Json& other) {
    return IsLess(TextAt(one, "/startUnixNano"), TextAt(other, "/startUnixNano"));
  });
  // A sidecar that was not answered sends its spans again, perhaps to another replica.
  std::set<std::string> seen;
  std::erase_if(spans, [&](const Json& span) {
    const std::string id = TextAt(span, "/spanId");
    return !id.empty() && !seen.insert(id + " " + TextAt(span, "/reporter")).second;
  });
  return merged;
}

Json MergedEvents(const std::vector<Json>& answers, size_t most) {
  std::map<std::string, Json> events;
  for (const Json& answer : answers) {
    for (const Json& event : PartAt(answer, "/items")) {
      AddEvent(
          event,
          &events[Json{TextAt(event, "/type"), TextAt(event, "/reason"), PartAt(event, "/object"),
                       TextAt(event, "/message"), TextAt(event, "/actor")}
                      .dump()]);
    }
  }
  Json::array_t items;
  for (auto& [key, event] : events) items.push_back(std::move(event));
  std::stable_sort(items.begin(), items.end(), [](const Json& one, const Json& other) {
    return NumberAt(one, "/lastAt") < NumberAt(other, "/lastAt");
  });
  if (items.size() > most)
    items.erase(items.begin(), items.end() - static_cast<std::ptrdiff_t>(most));
  return {{"items", std::move(items)}};
}

Json MergedMetrics(const std::vector<Json>& answers) {
  std::string text;
  for (size_t i = 0; i < answers.size(); ++i) {
    text += absl::StrCat("# replica ", i + 1, " of ", answers.size(), "\n",
                         LinesAt(answers[i], "/text"), "\n");
  }
  return {{"text", text}};
}

Json MergedNews(const std::vector<Json>& answers) {
  Json merged;
  AppendAll(answers, "requests", &merged);
  AppendAll(answers, "errors", &merged);
  for (const char* count : {"sidecars", "leftOut"}) AddUp(answers, count, &merged);
  return merged;
}

std::string JoinedTap(const std::vector<std::string>& pods, const std::vector<Json>& opened) {
  std::string id;
  for (size_t i = 0; i < std::min(pods.size(), opened.size()); ++i)
    id += (id.empty() ? "" : ",") + pods[i] + "=" + TextAt(opened[i], "/id");
  return id;
}

std::vector<std::pair<std::string, std::string>> PartsOfTap(const std::string& id) {
  std::vector<std::pair<std::string, std::string>> parts;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(id, ','))) {
    const size_t mark = part.find('=');
    if (mark == std::string::npos || !IsTapId(std::string_view(part).substr(mark + 1))) continue;
    parts.emplace_back(part.substr(0, mark), part.substr(mark + 1));
  }
  return parts;
}

}  // namespace tulle::cli
