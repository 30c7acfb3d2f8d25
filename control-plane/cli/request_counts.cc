#include "control-plane/cli/request_counts.h"

#include <algorithm>

#include "control-plane/diagnosis/hops.h"

namespace tulle::cli {
namespace {

using diagnosis::ShortService;
using diagnosis::ShortWorkload;

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

std::string ServiceOf(const Json& record) {
  const std::string service = TextAt(record, "/service");
  return OrDash(ShortService(service.empty() ? TextAt(record, "/authority") : service));
}

}  // namespace

void RequestCounts::Add(const Json& record) {
  const bool outbound = TrueAt(record, "/outbound");
  const std::string source = TextAt(record, "/source");
  if (outbound) tellers_.insert(source);
  const Key key{outbound, source, ServiceOf(record), OrDash(TextAt(record, "/method")),
                OrDash(TextAt(record, "/path"))};
  if (!rows_.contains(key)) MakeRoom();
  Counted& counted = rows_[key];
  Row& row = counted.row;
  const int64_t took = NumberAt(record, "/ended");
  row.best_micros = row.count == 0 ? took : std::min(row.best_micros, took);
  row.worst_micros = std::max(row.worst_micros, took);
  row.last_micros = took;
  ++row.count;
  if (TrueAt(record, "/failed")) ++row.failures;
  counted.added = ++records_;
}

std::vector<RequestCounts::Row> RequestCounts::Busiest(size_t most) const {
  std::vector<Row> busiest;
  for (const auto& [key, counted] : rows_) {
    const auto& [outbound, source, service, method, path] = key;
    if (!outbound && tellers_.contains(source)) continue;
    Row& row = busiest.emplace_back(counted.row);
    row.caller = source.empty() ? "unknown" : ShortWorkload(source);
    row.service = service;
    row.method = method;
    row.path = path;
  }
  std::stable_sort(busiest.begin(), busiest.end(),
                   [](const Row& one, const Row& other) { return one.count > other.count; });
  if (busiest.size() > most) busiest.resize(most);
  return busiest;
}

void RequestCounts::MakeRoom() {
  if (rows_.size() < kMostRows) return;
  rows_.erase(std::min_element(rows_.begin(), rows_.end(), [](const auto& one, const auto& other) {
    return one.second.added < other.second.added;
  }));
}

}  // namespace tulle::cli
