#include "control-plane/cli/traffic.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tulle::cli {
namespace {

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
  traffic.tcp = {CountAt(link, "/connections/opened"), CountAt(link, "/connections/closed"),
                 CountAt(link, "/connections/sentBytes"),
                 CountAt(link, "/connections/receivedBytes")};
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
    links.push_back({ReadName(each, "/source"), ReadName(each, "/service"),
                     TextAt(each, "/protocol") == "tcp", CountAt(each, "/mutualTls"),
                     ReadTraffic(each)});
  }
  return links;
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

std::string RateText(uint64_t count, int64_t seconds) {
  const double rate =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(seconds, 1));
  return rate < 1 ? absl::StrFormat("%.2f", rate) : absl::StrFormat("%.1f", rate);
}

std::string SuccessText(const insight::Traffic& traffic) {
  if (traffic.requests == 0) return "-";
  return Percent(traffic.requests - std::min(traffic.failures, traffic.requests), traffic.requests);
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
  std::string text = MostFrequent(traffic, true);
  const std::string refusal = MostFrequent(traffic, false);
  if (!text.empty() && !refusal.empty()) text += ", ";
  return text + refusal;
}

uint64_t RefusedIn(const insight::Traffic& traffic) {
  uint64_t refused = 0;
  for (const auto& [outcome, count] : traffic.outcomes) {
    const bool is_refusal = outcome.flags.find("UAEX") != std::string::npos ||
                            outcome.flags.find("RL") != std::string::npos;
    if (is_refusal && !outcome.is_failure()) refused += count;
  }
  return refused;
}

}  // namespace tulle::cli
