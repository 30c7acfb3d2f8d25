#include "control-plane/insight/traffic_history.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace tulle::insight {
namespace {

constexpr int64_t kWholeMinute = 60;

uint64_t EventsOf(const Traffic& traffic) { return traffic.requests + traffic.tcp.opened; }

}  // namespace

bool HistoryRange::is_valid() const {
  const bool is_fine = window <= kFineWindow;
  const int64_t unit = is_fine ? TrafficBook::kSlotSeconds : kWholeMinute;
  return window >= step && step >= unit && step % unit == 0 && window % step == 0 &&
         window <= TrafficBook::kKeptSeconds && window / step <= int64_t{kMostSteps};
}

TrafficHistory HistoryOf(const TrafficBook& book, const HistoryRange& range,
                         const std::string& service, int64_t now) {
  TrafficHistory history;
  history.from = now - now % range.step - range.window;
  history.steps = static_cast<size_t>(range.window / range.step);
  std::vector<Link> links = LinksOf(book.Between(history.from, history.from + range.window));
  if (!service.empty()) std::erase_if(links, [&](const Link& l) { return l.service != service; });
  std::stable_sort(links.begin(), links.end(), [](const Link& a, const Link& b) {
    return EventsOf(a.traffic) > EventsOf(b.traffic);
  });
  if (links.size() > TrafficHistory::kMostLinks) {
    history.left_out = links.size() - TrafficHistory::kMostLinks;
    links.resize(TrafficHistory::kMostLinks);
  }
  // With who reports it: what the other side says of the same does not count.
  std::map<std::tuple<std::string, std::string, bool, bool>, size_t> places;
  for (Link& link : links) {
    places[{link.source, link.service, link.is_tcp, link.by_caller}] = history.lines.size();
    history.lines.push_back({std::move(link), std::vector<Traffic>(history.steps)});
  }
  book.AddSteps(history.from, range.step, [&](const Edge& edge) -> TrafficBook::Steps* {
    const auto place =
        places.find({edge.source, edge.service, edge.protocol == "tcp", edge.outbound});
    return place == places.end() ? nullptr : &history.lines[place->second].steps;
  });
  return history;
}

}  // namespace tulle::insight
