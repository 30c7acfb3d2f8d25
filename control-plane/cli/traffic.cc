#include "control-plane/cli/traffic.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "certs/spiffe_names.h"

namespace tulle::cli {
namespace {

constexpr uint32_t kDeniedStatus = 403;
constexpr uint32_t kLimitedStatus = 429;

TrafficName ReadName(const Json& json, const std::string& pointer) {
  return {TextAt(json, pointer + "/namespace"), TextAt(json, pointer + "/name")};
}

uint64_t CountAt(const Json& json, const std::string& pointer) {
  return static_cast<uint64_t>(std::max<int64_t>(NumberAt(json, pointer), 0));
}

insight::Traffic ReadTraffic(const Json& link) {
  insight::Traffic traffic;
  traffic.requests = CountAt(link, "/requests");
  traffic.failures = CountAt(link, "/failures");
  size_t bucket = 0;
  for (const Json& count : PartAt(link, "/buckets")) {
    if (bucket == insight::kBuckets) break;
    traffic.buckets[bucket++] = CountAt(count, "");
  }
  for (const Json& each : PartAt(link, "/outcomes")) {
    const bool is_grpc = each.contains("grpcStatus");
    const insight::Outcome outcome{static_cast<uint32_t>(NumberAt(each, "/code")),
                                   is_grpc ? static_cast<int>(NumberAt(each, "/grpcStatus")) : -1,
                                   TextAt(each, "/flags")};
    traffic.AddOutcome(outcome, CountAt(each, "/count"));
  }
  const auto connections = [&link](const char* name) {
    return CountAt(link, std::string("/connections/") + name);
  };
  traffic.tcp = {connections("opened"),        connections("closed"), connections("sentBytes"),
                 connections("receivedBytes"), connections("failed"), connections("denied")};
  return traffic;
}

std::string Percent(uint64_t part, uint64_t all) {
  const double share = 100 * static_cast<double>(part) / static_cast<double>(all);
  return absl::StrFormat("%.2f%%", std::floor(share * 100) / 100);
}

// Of the failures, or of the rest.
std::string MostFrequent(const insight::Traffic& traffic, bool is_failure) {
  const insight::Outcome* found = nullptr;
  uint64_t most = 0;
  for (const auto& [outcome, count] : traffic.outcomes) {
    if (outcome.is_failure() != is_failure || count <= most) continue;
    found = &outcome;
    most = count;
  }
  if (found == nullptr) return "";
  if (found->flags == insight::Traffic::kOther) return absl::StrCat("other (", most, ")");
  std::string text = found->code == 0 ? "no response" : std::to_string(found->code);
  if (found->grpc_status > 0) absl::StrAppend(&text, " gRPC ", found->grpc_status);
  if (!found->flags.empty()) absl::StrAppend(&text, " ", found->flags);
  return absl::StrCat(text, " (", most, ")");
}

}  // namespace

std::vector<TrafficLink> ReadLinks(const Json& reply) {
  std::vector<TrafficLink> links;
  for (const Json& each : PartAt(reply, "/links")) {
    if (!each.is_object()) continue;
    TrafficLink& link = links.emplace_back();
    link.source = ReadName(each, "/source");
    link.service = ReadName(each, "/service");
    for (const Json& destination : PartAt(each, "/destinations"))
      link.identities.push_back(TextAt(destination, "/spiffeId"));
    link.backend = ReadName(each, "/backend");
    link.route = TextAt(each, "/route");
    link.is_tcp = TextAt(each, "/protocol") == "tcp";
    link.mutual_tls = CountAt(each, "/mutualTls");
    link.traffic = ReadTraffic(each);
  }
  return links;
}

bool TrafficSelection::Selects(const Json& link) const {
  const TrafficName to = ReadName(link, "/service");
  const TrafficName from = ReadName(link, "/source");
  if (!ns.empty() && to.ns != ns && !(or_caller && from.ns == ns)) return false;
  if (!service.empty() && service != to.name && service != to.name + "." + to.ns &&
      service != TextAt(link, "/service/host"))
    return false;
  const std::string id = TextAt(link, "/source/spiffeId");
  return caller.empty() || caller == id || caller == from.name + "." + from.ns ||
         (caller == "unknown" && id.empty());
}

std::vector<ServiceTraffic> ByService(const std::vector<TrafficLink>& links) {
  std::map<std::pair<TrafficName, bool>, ServiceTraffic> services;
  for (const TrafficLink& link : links) {
    ServiceTraffic& service = services[{link.service, link.is_tcp}];
    service.service = link.service;
    service.is_tcp = link.is_tcp;
    ++service.callers;
    service.mutual_tls += link.mutual_tls;
    service.traffic.Add(link.traffic);
  }
  std::vector<ServiceTraffic> all;
  for (auto& [key, service] : services) all.push_back(std::move(service));
  return all;
}

std::vector<RouteTraffic> ByRoute(const std::vector<TrafficLink>& links) {
  std::map<std::tuple<TrafficName, std::string, TrafficName>, RouteTraffic> routes;
  for (const TrafficLink& link : links) {
    RouteTraffic& route = routes[{link.service, link.route, link.backend}];
    route.service = link.service;
    route.route = link.route;
    route.backend = link.backend;
    ++route.callers;
    route.mutual_tls += link.mutual_tls;
    route.traffic.Add(link.traffic);
  }
  std::vector<RouteTraffic> all;
  for (auto& [key, route] : routes) all.push_back(std::move(route));
  return all;
}

std::string ShownName(const TrafficName& name) {
  if (name.name.empty()) return "unknown";
  return name.ns.empty() ? name.name : name.name + "." + name.ns;
}

std::string IdentitiesText(const TrafficLink& link) {
  std::set<std::string> shown;
  for (const std::string& id : link.identities) {
    const certs::WorkloadNames names = certs::WorkloadNamesOf(id);
    shown.insert(names.account.empty() ? id
                                       : absl::StrCat(std::string(names.account), ".",
                                                      std::string(names.namespace_name)));
  }
  return shown.empty() ? "-" : absl::StrJoin(shown, ",");
}

std::string RateText(uint64_t count, int64_t seconds) {
  const double rate =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(seconds, 1));
  return rate < 1 ? absl::StrFormat("%.2f", rate) : absl::StrFormat("%.1f", rate);
}

std::string SuccessText(const insight::Traffic& traffic) {
  const bool is_tcp = traffic.requests == 0;
  const uint64_t all = is_tcp ? traffic.tcp.opened : traffic.requests;
  if (all == 0) return "-";
  return Percent(all - std::min(is_tcp ? traffic.tcp.failed : traffic.failures, all), all);
}

std::string LatencyText(const insight::Traffic& traffic, double share) {
  if (traffic.requests == 0) return "-";
  const double milliseconds = traffic.Quantile(share);
  if (milliseconds >= 1000) return absl::StrFormat("%.1fs", milliseconds / 1000);
  return milliseconds < 10 ? absl::StrFormat("%.1fms", milliseconds)
                           : absl::StrFormat("%.0fms", milliseconds);
}

std::string SecuredText(uint64_t mutual_tls, uint64_t all) {
  if (all == 0) return "-";
  if (mutual_tls >= all) return "yes";
  return mutual_tls == 0 ? "no" : Percent(mutual_tls, all);
}

std::string ErrorsText(const insight::Traffic& traffic) {
  const insight::Connections& tcp = traffic.tcp;
  if (tcp.failed + tcp.denied > 0)
    return absl::StrCat(tcp.failed, " failed, ", tcp.denied, " denied");
  std::string text = MostFrequent(traffic, true);
  const std::string refusal = MostFrequent(traffic, false);
  if (!text.empty() && !refusal.empty()) text += ", ";
  return text + refusal;
}

uint64_t RefusedIn(const insight::Traffic& traffic) {
  uint64_t refused = traffic.tcp.denied;
  for (const auto& [outcome, count] : traffic.outcomes) {
    // What the other side's sidecar refused has its status alone, without flags.
    const bool is_refusal = outcome.code == kDeniedStatus || outcome.code == kLimitedStatus ||
                            outcome.flags.find("UAEX") != std::string::npos ||
                            outcome.flags.find("RL") != std::string::npos;
    if (is_refusal && !outcome.is_failure()) refused += count;
  }
  return refused;
}

}  // namespace tulle::cli
