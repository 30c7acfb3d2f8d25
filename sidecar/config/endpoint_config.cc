// Converts ClusterLoadAssignments.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sidecar/config/cluster_config.h"

namespace tulle::config {
namespace {

namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace core = envoy::config::core::v3;

constexpr uint32_t kMaxPriority = 128;

upstream::EndpointHealth ToHealth(core::HealthStatus status) {
  switch (status) {
    case core::UNHEALTHY:
    case core::TIMEOUT:
      return upstream::EndpointHealth::kUnhealthy;
    case core::DRAINING:
      return upstream::EndpointHealth::kDraining;
    default:
      return upstream::EndpointHealth::kHealthy;
  }
}

void ReadMetadata(const core::Metadata& metadata, upstream::EndpointSpec& spec) {
  const auto& by_filter = metadata.filter_metadata();
  if (const auto labels = by_filter.find("envoy.transport_socket_match");
      labels != by_filter.end()) {
    for (const auto& [key, value] : labels->second.fields()) {
      spec.transport_labels.emplace_back(key, value.string_value());
    }
    std::sort(spec.transport_labels.begin(), spec.transport_labels.end());
  }
  if (const auto balancing = by_filter.find("envoy.lb"); balancing != by_filter.end()) {
    const auto key = balancing->second.fields().find("hash_key");
    if (key != balancing->second.fields().end()) spec.hash_key = key->second.string_value();
  }
  if (const auto own = by_filter.find("tulle"); own != by_filter.end()) {
    const auto id = own->second.fields().find("spiffe_id");
    if (id != own->second.fields().end()) spec.spiffe_id = id->second.string_value();
  }
}

absl::StatusOr<upstream::EndpointSpec> ToEndpoint(const endpoint_v3::LbEndpoint& endpoint,
                                                  const endpoint_v3::LocalityLbEndpoints& locality,
                                                  const FieldPath& at) {
  upstream::EndpointSpec spec;
  auto address = ToAddress(endpoint.endpoint().address(), at / "endpoint.address");
  if (!address.ok()) return address.status();
  spec.address = *address;
  spec.priority = locality.priority();
  spec.zone = locality.locality().zone();
  spec.hostname = endpoint.endpoint().hostname();
  spec.health = ToHealth(endpoint.health_status());
  if (endpoint.has_load_balancing_weight()) spec.weight = endpoint.load_balancing_weight().value();
  if (spec.weight == 0) return (at / "load_balancing_weight").Error("must be at least 1");
  const auto& check = endpoint.endpoint().health_check_config();
  if (check.port_value() > 65535) {
    return (at / "endpoint.health_check_config.port_value").Error("must be 0 to 65535");
  }
  spec.health_check_port = static_cast<uint16_t>(check.port_value());
  spec.health_checked = !check.disable_active_health_check();
  ReadMetadata(endpoint.metadata(), spec);
  return spec;
}

upstream::LocalitySpec ToLocality(const endpoint_v3::LocalityLbEndpoints& locality) {
  upstream::LocalitySpec spec;
  spec.region = locality.locality().region();
  spec.zone = locality.locality().zone();
  spec.sub_zone = locality.locality().sub_zone();
  spec.weight = locality.load_balancing_weight().value();
  spec.priority = locality.priority();
  return spec;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const upstream::EndpointSet>> ToEndpoints(
    const endpoint_v3::ClusterLoadAssignment& assignment, const FieldPath& at) {
  auto set = std::make_shared<upstream::EndpointSet>();
  set->cluster_name = assignment.cluster_name();
  if (set->cluster_name.empty()) return (at / "cluster_name").Error("is required");
  if (assignment.policy().has_overprovisioning_factor()) {
    set->overprovisioning_percent = assignment.policy().overprovisioning_factor().value();
    if (set->overprovisioning_percent == 0) {
      return (at / "policy.overprovisioning_factor").Error("must be at least 1");
    }
  }
  for (int i = 0; i < assignment.endpoints_size(); ++i) {
    const auto& locality = assignment.endpoints(i);
    const FieldPath here = (at / "endpoints")[static_cast<size_t>(i)];
    set->localities.push_back(ToLocality(locality));
    if (locality.priority() > kMaxPriority) return (here / "priority").Error("must be 0 to 128");
    for (int j = 0; j < locality.lb_endpoints_size(); ++j) {
      auto endpoint = ToEndpoint(locality.lb_endpoints(j), locality,
                                 (here / "lb_endpoints")[static_cast<size_t>(j)]);
      if (!endpoint.ok()) return endpoint.status();
      endpoint->locality = static_cast<uint32_t>(i);
      set->endpoints.push_back(*std::move(endpoint));
    }
  }
  return set;
}

}  // namespace tulle::config
