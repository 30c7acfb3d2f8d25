#include "control-plane/snapshot/backends.h"

#include <algorithm>

#include "control-plane/snapshot/header_changes.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/own_error.h"
#include "control-plane/snapshot/owners.h"
#include "control-plane/snapshot/route_match.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

constexpr uint64_t kMillion = 1000000;

// Backends that get no requests count as little as those that are not there.
struct Shares {
  std::vector<const policy::BackendRef*> valid;
  std::vector<const policy::BackendRef*> invalid;
};

Shares SharesOf(const policy::RouteRule& rule) {
  Shares shares;
  for (const policy::BackendRef& backend : rule.backends) {
    if (backend.weight == 0) continue;
    (backend.invalid.empty() ? shares.valid : shares.invalid).push_back(&backend);
  }
  return shares;
}

uint64_t WeightOf(const std::vector<const policy::BackendRef*>& backends) {
  uint64_t sum = 0;
  for (const policy::BackendRef* backend : backends) sum += backend->weight;
  return sum;
}

bool HasFilters(const policy::BackendRef& backend) {
  return backend.request_headers != policy::HeaderModifier() ||
         backend.response_headers != policy::HeaderModifier();
}

void SetError(const policy::RankedMatch& each,
              const std::vector<const policy::BackendRef*>& invalid, routev3::Route* route) {
  const bool is_grpc = each.document->key.kind == policy::Kind::kGrpcRoute;
  std::string reasons;
  for (const policy::BackendRef* backend : invalid) {
    reasons += (reasons.empty() ? "invalid backend: " : "; ") + backend->invalid;
  }
  // Sidecars take at most 4096 bytes.
  constexpr size_t kMostReasons = 1024;
  if (reasons.size() > kMostReasons) reasons.resize(kMostReasons);
  if (!reasons.empty()) reasons += "\n";
  // A gRPC client sees 503 as UNAVAILABLE.
  SetOwnError({is_grpc ? 503u : 500u, "backend_invalid", reasons}, route);
  SetOwner("backend_invalid", *each.document,
           "spec.rules[" + std::to_string(each.rule_index) + "].backendRefs",
           route->mutable_metadata());
}

}  // namespace

// Not a cluster that does not exist: its name would reach neither the caller nor the access log.
void AddInvalidShare(const policy::RankedMatch& each, routev3::VirtualHost* host) {
  const Shares shares = SharesOf(*each.rule);
  if (shares.valid.empty() || shares.invalid.empty()) return;
  const uint64_t invalid = WeightOf(shares.invalid);
  const uint64_t millionths = invalid * kMillion / (invalid + WeightOf(shares.valid));
  routev3::Route* route = host->add_routes();
  route->set_name(each.Name() + "/invalid-backend");
  SetMatch(*each.match, route->mutable_match());
  auto* fraction = route->mutable_match()->mutable_runtime_fraction()->mutable_default_value();
  fraction->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
  fraction->set_numerator(static_cast<uint32_t>(std::clamp<uint64_t>(millionths, 1, kMillion - 1)));
  SetError(each, shares.invalid, route);
}

void SetBackends(const policy::RankedMatch& each, routev3::Route* route) {
  const Shares shares = SharesOf(*each.rule);
  if (shares.valid.empty()) return SetError(each, shares.invalid, route);
  // A single cluster has no place for filters of its own.
  if (shares.valid.size() == 1 && !HasFilters(*shares.valid[0])) {
    const policy::BackendRef& only = *shares.valid[0];
    route->mutable_route()->set_cluster(
        OutboundCluster(discovery::HostOf(only.service), only.port));
    return;
  }
  for (const policy::BackendRef* backend : shares.valid) {
    auto* cluster = route->mutable_route()->mutable_weighted_clusters()->add_clusters();
    cluster->set_name(OutboundCluster(discovery::HostOf(backend->service), backend->port));
    cluster->mutable_weight()->set_value(backend->weight);
    SetHeaders(backend->request_headers, backend->response_headers, cluster);
  }
}

}  // namespace tulle::snapshot
