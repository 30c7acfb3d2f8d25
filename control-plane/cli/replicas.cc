#include "control-plane/cli/replicas.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_split.h"

namespace tulle::cli {
namespace {

constexpr size_t kMostNamed = 20;   // in a message
constexpr size_t kMostProxies = 5;  // of an open circuit breaker

void Append(const Json& from, Json* to) {
  for (const Json& each : from) to->push_back(each);
}

// Of one endpoint: {"count", "proxies", "since", "cause", "reason"}.
void AddBreakers(const Json& more, Json* seen) {
  if (seen->is_null()) {
    *seen = more;
    return;
  }
  Json proxies = PartAt(*seen, "/proxies");
  Append(PartAt(more, "/proxies"), &proxies);
  if (proxies.size() > kMostProxies) proxies.get_ref<Json::array_t&>().resize(kMostProxies);
  const int64_t count = NumberAt(*seen, "/count") + NumberAt(more, "/count");
  if (NumberAt(more, "/since") < NumberAt(*seen, "/since")) *seen = more;
  (*seen)["count"] = count;
  (*seen)["proxies"] = std::move(proxies);
}

template <typename Visit>
void ForEachEndpoint(Json* list, Visit visit) {
  for (Json& service : (*list)["items"]) {
    for (Json& port : service["ports"]) {
      for (Json& endpoint : port["endpoints"]) {
        visit(Json{service["namespace"], service["name"], port["number"], endpoint["address"],
                   endpoint["port"]}
                  .dump(),
              endpoint);
      }
    }
  }
}

bool IsByCaller(const Json& link) { return TextAt(link, "/reportedBy") == "source"; }

// What both count of the same.
void AddCounts(const Json& more, const std::vector<std::string>& counts, Json* to) {
  for (const std::string& count : counts) {
    if (to->contains(count))
      (*to)[count] = NumberAt(*to, "/" + count) + NumberAt(more, "/" + count);
  }
}

void AddBuckets(const Json& more, Json* to) {
  size_t bucket = 0;
  for (const Json& count : PartAt(more, "/buckets")) {
    Json& sum = (*to)["buckets"][bucket++];
    sum = NumberAt(sum, "") + NumberAt(count, "");
  }
}

void AddLink(const Json& more, Json* link) {
  if (link->is_null()) {
    *link = more;
    link->erase("latencyMs");
    return;
  }
  AddCounts(more, {"requests", "failures", "mutualTls"}, link);
  if (link->contains("connections")) {
    AddCounts(PartAt(more, "/connections"),
              {"opened", "closed", "failed", "denied", "sentBytes", "receivedBytes"},
              &(*link)["connections"]);
  }
  AddBuckets(more, link);
  for (const char* list : {"outcomes", "destinations"}) {
    if (link->contains(list)) Append(PartAt(more, std::string("/") + list), &(*link)[list]);
  }
}

// One link of a history, at several replicas.
void AddLine(const Json& more, Json* line) {
  if (line->is_null()) {
    *line = more;
    (*line)["steps"] = Json::array();
  }
  std::map<int64_t, Json> steps;
  for (const Json& step : PartAt(*line, "/steps")) steps[NumberAt(step, "/at")] = step;
  for (const Json& step : PartAt(more, "/steps")) {
    Json& sum = steps[NumberAt(step, "/at")];
    if (sum.is_null()) {
      sum = step;
      sum.erase("latencyMs");
      continue;
    }
    for (const char* count :
         {"requests", "failures", "opened", "failed", "denied", "sentBytes", "receivedBytes"}) {
      if (step.contains(count)) {
        const std::string pointer = std::string("/") + count;
        sum[count] = NumberAt(sum, pointer) + NumberAt(step, pointer);
      }
    }
    AddBuckets(step, &sum);
  }
  (*line)["steps"] = Json::array();
  for (auto& [at, step] : steps) (*line)["steps"].push_back(std::move(step));
}

// The links of all reports, added up by `add`. What a service says of a caller that reports itself
// is left out.
template <typename Add>
Json MergedLinks(const std::vector<Json>& reports, Add add) {
  std::set<std::string> tellers;
  for (const Json& report : reports) {
    for (const Json& link : PartAt(report, "/links")) {
      if (IsByCaller(link)) tellers.insert(TextAt(link, "/source/spiffeId"));
    }
  }
  std::map<std::string, Json> links;
  for (const Json& report : reports) {
    for (const Json& link : PartAt(report, "/links")) {
      if (!IsByCaller(link) && tellers.contains(TextAt(link, "/source/spiffeId"))) continue;
      add(link, &links[Json{link.value("source", Json()), link.value("service", Json()),
                            link.value("protocol", Json()), link.value("route", Json()),
                            link.value("backend", Json())}
                           .dump()]);
    }
  }
  Json merged = Json::array();
  for (auto& [key, link] : links) merged.push_back(std::move(link));
  return merged;
}

// The same check at each replica.
class MergedCheck {
 public:
  void Add(const Json& item, const std::set<std::string>& connected) {
    if (item_.is_null()) item_ = item;
    if (TrueAt(item, "/ok")) return;
    if (!item.contains("proxies")) {
      Fail(item);
      for (const auto& line : absl::StrSplit(LinesAt(item, "/message"), '\n'))
        AddLine(std::string(line));
      Add(PartAt(item, "/commands"));
      return;
    }
    is_of_proxies_ = true;
    if (failed_.is_null()) absolved_ = item;
    for (const Json& proxy : PartAt(item, "/proxies")) {
      const std::string name = TextAt(proxy, "/name");
      if (!TrueAt(proxy, "/connected") && connected.contains(name)) continue;
      Fail(item);
      AddProxy(proxy);
    }
  }

  Json ToJson() const {
    if (failed_.is_null() && is_of_proxies_) {
      return {{"id", absolved_["id"]},
              {"name", absolved_["name"]},
              {"ok", true},
              {"message", TextAt(absolved_, "/passed")}};
    }
    if (failed_.is_null()) return item_;
    Json merged = failed_;
    merged["message"] = Message();
    if (!commands_.empty()) merged["commands"] = commands_;
    if (is_of_proxies_) merged["proxies"] = proxies_;
    return merged;
  }

 private:
  void Fail(const Json& item) {
    if (failed_.is_null()) failed_ = item;
  }
  void AddLine(std::string line) {
    if (std::find(lines_.begin(), lines_.end(), line) == lines_.end())
      lines_.push_back(std::move(line));
  }
  void Add(const Json& commands) {
    for (const Json& command : commands) commands_.insert(LinesAt(command, ""));
  }
  // A proxy that has left may be remembered by several replicas.
  void AddProxy(const Json& proxy) {
    if (!seen_.insert({TextAt(proxy, "/name"), LinesAt(proxy, "/message")}).second) return;
    proxies_.push_back(proxy);
    if (proxies_.size() > kMostNamed) return;
    AddLine(LinesAt(proxy, "/message"));
    if (proxy.contains("command")) commands_.insert(LinesAt(proxy, "/command"));
  }
  std::string Message() const {
    const std::string begin = is_of_proxies_ ? LinesAt(failed_, "/failed") : "";
    const bool has_lines = !is_of_proxies_ || begin.ends_with('\n');
    std::string message = begin;
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (has_lines) {
        message += (i == 0 ? "" : "\n") + lines_[i];
      } else {
        message += (i == 0 ? " " : ", ") + lines_[i];
      }
    }
    if (proxies_.size() <= kMostNamed) return message;
    return message + (has_lines ? "\nand " : " and ") +
           std::to_string(proxies_.size() - kMostNamed) + " more";
  }

  Json item_;      // of the first replica
  Json failed_;    // of the first at which it fails
  Json absolved_;  // of one whose proxies are connected to others
  bool is_of_proxies_ = false;
  std::vector<std::string> lines_;
  std::set<std::string> commands_;
  std::set<std::pair<std::string, std::string>> seen_;  // proxy, message
  Json proxies_ = Json::array();
};

}  // namespace

Json MergedProxies(const std::vector<Json>& lists) {
  std::map<std::string, Json> proxies;
  for (const Json& list : lists) {
    for (const Json& proxy : PartAt(list, "/items")) {
      Json& known = proxies[TextAt(proxy, "/name")];
      if (known.is_null() || TrueAt(proxy, "/connected")) known = proxy;
    }
  }
  Json items = Json::array();
  for (auto& [name, proxy] : proxies) items.push_back(std::move(proxy));
  return {{"items", std::move(items)}};
}

std::set<std::string> ConnectedProxies(const Json& list) {
  std::set<std::string> names;
  for (const Json& proxy : PartAt(list, "/items")) {
    if (TrueAt(proxy, "/connected")) names.insert(TextAt(proxy, "/name"));
  }
  return names;
}

Json MergedServices(const std::vector<Json>& lists) {
  std::map<std::string, Json> seen;  // by endpoint
  for (Json list : lists) {
    ForEachEndpoint(&list, [&](const std::string& key, const Json& endpoint) {
      if (endpoint.contains("openBreakers")) AddBreakers(endpoint["openBreakers"], &seen[key]);
    });
  }
  Json merged = lists.front();
  ForEachEndpoint(&merged, [&](const std::string& key, Json& endpoint) {
    const auto found = seen.find(key);
    if (found != seen.end()) endpoint["openBreakers"] = found->second;
  });
  return merged;
}

Json MergedTraffic(const std::vector<Json>& reports) {
  int64_t seconds = 0;
  for (const Json& report : reports) seconds = std::max(seconds, NumberAt(report, "/seconds"));
  return {{"seconds", seconds}, {"links", MergedLinks(reports, AddLink)}};
}

Json MergedHistory(const std::vector<Json>& reports) {
  Json merged = reports.front();
  int64_t left_out = 0;
  for (const Json& report : reports) {
    left_out = std::max(left_out, NumberAt(report, "/leftOut"));
    merged["knownFrom"] = std::min(NumberAt(merged, "/knownFrom"), NumberAt(report, "/knownFrom"));
  }
  merged["leftOut"] = left_out;
  merged["links"] = MergedLinks(reports, AddLine);
  return merged;
}

Json MergedChecks(const std::vector<Json>& reports, const std::set<std::string>& connected) {
  std::vector<std::string> order;
  std::map<std::string, MergedCheck> checks;
  for (const Json& report : reports) {
    for (const Json& item : PartAt(report, "/items")) {
      const std::string id = TextAt(item, "/id");
      if (!checks.contains(id)) order.push_back(id);
      checks[id].Add(item, connected);
    }
  }
  bool is_good = true;
  Json items = Json::array();
  for (const std::string& id : order) {
    items.push_back(checks[id].ToJson());
    is_good = is_good && TrueAt(items.back(), "/ok");
  }
  return {{"ok", is_good}, {"items", std::move(items)}};
}

bool NamesAbsentProxies(const std::vector<Json>& reports) {
  for (const Json& report : reports) {
    for (const Json& item : PartAt(report, "/items")) {
      for (const Json& proxy : PartAt(item, "/proxies")) {
        if (!TrueAt(proxy, "/connected")) return true;
      }
    }
  }
  return false;
}

}  // namespace tulle::cli
