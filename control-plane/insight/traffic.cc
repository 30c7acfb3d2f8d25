#include "control-plane/insight/traffic.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace tulle::insight {
namespace {

// Numbers of gRPC's status codes.
constexpr int kUnknown = 2;
constexpr int kDeadlineExceeded = 4;
constexpr int kUnimplemented = 12;
constexpr int kInternal = 13;
constexpr int kUnavailable = 14;
constexpr int kDataLoss = 15;

}  // namespace

bool Outcome::is_failure() const {
  switch (grpc_status) {
    case kUnknown:
    case kDeadlineExceeded:
    case kUnimplemented:
    case kInternal:
    case kUnavailable:
    case kDataLoss:
      return true;
    default:
      return code >= 500;
  }
}

void Connections::Add(const Connections& other) {
  const auto add = [](uint64_t& sum, uint64_t more) {
    sum = sum > UINT64_MAX - more ? UINT64_MAX : sum + more;
  };
  add(opened, other.opened);
  add(closed, other.closed);
  add(sent, other.sent);
  add(received, other.received);
  add(failed, other.failed);
  add(denied, other.denied);
}

void Traffic::Add(const Traffic& other) {
  requests += other.requests;
  failures += other.failures;
  for (size_t i = 0; i < kBuckets; ++i) buckets[i] += other.buckets[i];
  for (const auto& [outcome, count] : other.outcomes) AddOutcome(outcome, count);
  tcp.Add(other.tcp);
}

void Traffic::AddOutcome(const Outcome& outcome, uint64_t count) {
  const auto known = outcomes.find(outcome);
  if (known != outcomes.end()) {
    known->second += count;
  } else if (outcomes.size() < kMostOutcomes) {
    outcomes.emplace(outcome, count);
  } else {
    outcomes[Outcome{0, -1, kOther}] += count;
  }
}

double Traffic::Quantile(double share) const {
  uint64_t all = 0;
  for (const uint64_t count : buckets) all += count;
  if (all == 0) return 0;
  const double wanted = share * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i + 1 < kBuckets; ++i) {
    const auto count = static_cast<double>(buckets[i]);
    if (count > 0 && below + count >= wanted) {
      const double begin = i == 0 ? 0 : kBucketEnds[i - 1];
      return begin + (kBucketEnds[i] - begin) * (wanted - below) / count;
    }
    below += count;
  }
  return kBucketEnds[kBuckets - 2];
}

std::vector<Link> LinksOf(const std::vector<EdgeTraffic>& edges, Detail detail) {
  struct Sides {
    Link outbound;
    Link inbound;
  };
  // By source, service, is_tcp, called and route.
  std::map<std::tuple<std::string, std::string, bool, std::string, std::string>, Sides> all;
  for (const EdgeTraffic& each : edges) {
    const Edge& edge = each.edge;
    const bool is_tcp = edge.protocol == "tcp";
    const bool by_route = detail == Detail::kRoutes;
    const std::string& called = edge.called.empty() ? edge.service : edge.called;
    Sides& sides = all[{edge.source, edge.service, is_tcp, by_route ? called : "",
                        by_route ? edge.route : ""}];
    Link& link = edge.outbound ? sides.outbound : sides.inbound;
    link.is_tcp = is_tcp;
    link.by_caller = edge.outbound;
    link.traffic.Add(each.traffic);
    if (edge.mutual_tls) link.mutual_tls += each.traffic.requests + each.traffic.tcp.opened;
    if (!edge.destination.empty()) link.destinations.push_back(edge.destination);
  }
  const auto is_told = [](const Sides& sides) {
    const Traffic& traffic = sides.outbound.traffic;
    return traffic.requests != 0 || traffic.tcp.opened != 0 || traffic.tcp.closed != 0;
  };
  std::set<std::string> tellers;
  for (const auto& [key, sides] : all) {
    if (is_told(sides)) tellers.insert(std::get<0>(key));
  }
  std::vector<Link> links;
  for (auto& [key, sides] : all) {
    // Behind a route the service has another name than the one that was called.
    if (!is_told(sides) && tellers.contains(std::get<0>(key))) continue;
    Link& link = links.emplace_back(std::move(is_told(sides) ? sides.outbound : sides.inbound));
    std::tie(link.source, link.service, std::ignore, link.called, link.route) = key;
    std::sort(link.destinations.begin(), link.destinations.end());
    link.destinations.erase(std::unique(link.destinations.begin(), link.destinations.end()),
                            link.destinations.end());
  }
  return links;
}

}  // namespace tulle::insight
