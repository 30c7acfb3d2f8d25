#include "tests/scale/imitated_traffic.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "telemetry/families.h"

namespace tulle::scale {
namespace {

using telemetry::RouteLabel;

constexpr double kFailedShare = 0.01;
// Of the requests in the first buckets: most take a few milliseconds, few take a second.
constexpr std::array<double, 10> kShareOfBucket = {0.02, 0.1,  0.2,  0.3,   0.2,
                                                   0.1,  0.05, 0.02, 0.009, 0.001};
constexpr double kMeanMilliseconds = 5;

telemetry::Sample SampleOf(const telemetry::LabelValues& labels, double requests) {
  telemetry::Sample sample;
  sample.labels = labels;
  sample.buckets.resize(telemetry::kRouteRequestDuration.bounds.size() + 1);
  for (size_t i = 0; i < kShareOfBucket.size(); ++i) {
    sample.buckets[i] = static_cast<uint64_t>(std::floor(requests * kShareOfBucket[i]));
  }
  sample.value = requests * kMeanMilliseconds;
  return sample;
}

}  // namespace

ImitatedTraffic::ImitatedTraffic(const Plan& plan) {
  for (const Plan::Peer& peer : plan.peers) {
    AddSeries(plan, peer, /*outbound=*/true);
    AddSeries(plan, peer, /*outbound=*/false);
  }
  std::sort(series_.begin(), series_.end(),
            [](const Series& a, const Series& b) { return a.labels < b.labels; });
}

void ImitatedTraffic::AddSeries(const Plan& plan, const Plan::Peer& peer, bool outbound) {
  std::array<std::string_view, RouteLabel::kCount> labels{};
  labels[RouteLabel::kReporter] = outbound ? "source" : "destination";
  labels[RouteLabel::kSourcePrincipal] = outbound ? plan.principal : peer.principal;
  labels[RouteLabel::kDestinationPrincipal] = outbound ? peer.principal : plan.principal;
  labels[RouteLabel::kDestinationService] = outbound ? peer.service : plan.service;
  labels[RouteLabel::kProtocol] = "http";
  if (outbound) labels[RouteLabel::kRoute] = "default";
  labels[RouteLabel::kSecurityPolicy] = outbound ? "unknown" : "mutual_tls";
  const double rate = plan.requests_per_second / static_cast<double>(plan.peers.size());
  labels[RouteLabel::kResponseCode] = "200";
  series_.push_back({telemetry::LabelValues(labels), rate * (1 - kFailedShare)});
  labels[RouteLabel::kResponseCode] = "503";
  series_.push_back({telemetry::LabelValues(labels), rate * kFailedShare});
}

std::vector<telemetry::FamilySamples> ImitatedTraffic::At(double seconds) const {
  telemetry::FamilySamples family{telemetry::kRouteRequestDuration, {}};
  for (const Series& series : series_) {
    family.samples.push_back(SampleOf(series.labels, series.requests_per_second * seconds));
  }
  return {std::move(family)};
}

std::string PrincipalBeside(const std::string& principal, const std::string& account) {
  return absl::StrCat(principal.substr(0, principal.rfind('/') + 1), account);
}

}  // namespace tulle::scale
