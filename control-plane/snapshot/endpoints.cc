// Endpoints, by service port: where they are, what they may be sent, and in which order.

#include <map>
#include <string>
#include <vector>

#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"

namespace tulle::snapshot {
namespace {

namespace endpointv3 = envoy::config::endpoint::v3;

void AddEndpoint(const discovery::Endpoint& endpoint, discovery::Health health,
                 endpointv3::LocalityLbEndpoints* locality) {
  const discovery::Workload& workload = *endpoint.workload;
  endpointv3::LbEndpoint* message = locality->add_lb_endpoints();
  SetAddress(endpoint.address, endpoint.port, message->mutable_endpoint()->mutable_address());
  message->mutable_load_balancing_weight()->set_value(1);
  auto* metadata = message->mutable_metadata()->mutable_filter_metadata();
  auto* fields = (*metadata)["tulle"].mutable_fields();
  (*fields)["workload"].set_string_value(workload.id);
  if (endpoint.is_meshed) {
    (*fields)["spiffe_id"].set_string_value(workload.spiffe_id);
    (*(*metadata)["envoy.transport_socket_match"].mutable_fields())[kMeshKey].set_string_value(
        kMeshValue);
  }
  switch (health) {
    case discovery::Health::kHealthy:
      message->set_health_status(envoy::config::core::v3::HEALTHY);
      break;
    case discovery::Health::kUnhealthy:
      message->set_health_status(envoy::config::core::v3::UNHEALTHY);
      break;
    case discovery::Health::kDraining:
      message->set_health_status(envoy::config::core::v3::DRAINING);
      break;
  }
}

// gRPC clients refuse an assignment whose locality is missing or has no weight.
endpointv3::LocalityLbEndpoints* AddLocality(endpointv3::ClusterLoadAssignment* assignment) {
  endpointv3::LocalityLbEndpoints* locality = assignment->add_endpoints();
  locality->mutable_locality();
  locality->mutable_load_balancing_weight()->set_value(1);
  return locality;
}

// Whether `whole` is `part` or lies in it.
bool LiesIn(const std::string& whole, const std::string& part) {
  return whole == part ||
         (whole.size() > part.size() && whole.starts_with(part) && whole[part.size()] == '/');
}

std::string ZoneOf(const std::string& locality) {
  const size_t zone = locality.find('/');
  return zone == std::string::npos ? "" : locality.substr(0, locality.find('/', zone + 1));
}

uint32_t PriorityOf(const policy::LocalityPolicy& policy, const std::string& locality,
                    const std::string& own) {
  if (policy.prefer_own) {
    if (own.empty()) return 0;
    if (!ZoneOf(own).empty() && ZoneOf(own) == ZoneOf(locality)) return 0;
    return LiesIn(locality, own.substr(0, own.find('/'))) ? 1 : 2;
  }
  uint32_t priority = 0;
  for (const std::string& each : policy.priorities) {
    if (LiesIn(locality, each)) break;
    ++priority;
  }
  return priority;
}

uint32_t WeightOf(const policy::LocalityPolicy& policy, const std::string& locality) {
  const policy::LocalityWeight* best = nullptr;
  for (const policy::LocalityWeight& each : policy.weights) {
    if (!LiesIn(locality, each.locality)) continue;
    if (best == nullptr || each.locality.size() > best->locality.size()) best = &each;
  }
  return best == nullptr ? 1 : best->weight;
}

void SetLocality(const std::string& text, envoy::config::core::v3::Locality* message) {
  const size_t zone = text.find('/');
  message->set_region(text.substr(0, zone));
  if (zone == std::string::npos) return;
  const size_t sub_zone = text.find('/', zone + 1);
  message->set_zone(text.substr(zone + 1, sub_zone - zone - 1));
  if (sub_zone != std::string::npos) message->set_sub_zone(text.substr(sub_zone + 1));
}

// One group for each locality. Envoy wants priorities without gaps.
void AddByLocality(const discovery::ServicePort& port, const policy::LocalityPolicy& policy,
                   const std::string& own, endpointv3::ClusterLoadAssignment* assignment) {
  std::map<uint32_t, std::map<std::string, std::vector<const discovery::Endpoint*>>> groups;
  for (const discovery::Endpoint& endpoint : port.endpoints) {
    const std::string& locality = endpoint.workload->locality;
    groups[PriorityOf(policy, locality, own)][locality].push_back(&endpoint);
  }
  uint32_t priority = 0;
  for (const auto& [wanted, localities] : groups) {
    for (const auto& [locality, endpoints] : localities) {
      endpointv3::LocalityLbEndpoints* group = AddLocality(assignment);
      SetLocality(locality, group->mutable_locality());
      group->set_priority(priority);
      group->mutable_load_balancing_weight()->set_value(WeightOf(policy, locality));
      for (const discovery::Endpoint* endpoint : endpoints) {
        AddEndpoint(*endpoint, endpoint->workload->health, group);
      }
    }
    ++priority;
  }
}

const policy::LocalityPolicy* LocalitiesOf(const MeshView& view,
                                           const discovery::ServiceName& name) {
  const policy::ResiliencePolicy* policy = view.policies.ResilienceOf(name);
  return policy == nullptr || !policy->localities ? nullptr : &*policy->localities;
}

}  // namespace

bool PrefersOwnLocality(const MeshView& view, const discovery::ServiceName& name) {
  const policy::LocalityPolicy* localities = LocalitiesOf(view, name);
  return localities != nullptr && localities->prefer_own;
}

void AddEndpointsOf(const MeshView& view, const discovery::ServiceName& name,
                    const discovery::Service& service, const std::string& own,
                    ResourceTable* endpoints) {
  const policy::LocalityPolicy* localities = LocalitiesOf(view, name);
  for (const auto& [number, port] : service.ports) {
    endpointv3::ClusterLoadAssignment assignment;
    assignment.set_cluster_name(OutboundCluster(discovery::HostOf(name), number));
    if (localities != nullptr) {
      AddByLocality(port, *localities, own, &assignment);
    } else if (!port.endpoints.empty()) {
      endpointv3::LocalityLbEndpoints* all = AddLocality(&assignment);
      for (const discovery::Endpoint& endpoint : port.endpoints) {
        AddEndpoint(endpoint, endpoint.workload->health, all);
      }
    }
    AddResource(assignment.cluster_name(), assignment, endpoints);
  }
}

// Healthy in any case: who calls a member by its own address means that one.
void AddMemberEndpoint(const Member& member, endpointv3::ClusterLoadAssignment* assignment) {
  const discovery::Endpoint endpoint{member.workload->address, member.port, member.workload};
  AddEndpoint(endpoint, discovery::Health::kHealthy, AddLocality(assignment));
}

void AddExternalEndpoints(const MeshView& view, ResourceTable* endpoints) {
  for (const policy::ExternalService* external : view.ExternalServices()) {
    if (external->resolution != policy::Resolution::kStatic) continue;
    for (const policy::ExternalPort& port : external->ports) {
      endpointv3::ClusterLoadAssignment assignment;
      assignment.set_cluster_name(OutboundCluster(external->hosts[0], port.number));
      endpointv3::LocalityLbEndpoints* locality = AddLocality(&assignment);
      for (const std::string& address : external->endpoints) {
        endpointv3::LbEndpoint* message = locality->add_lb_endpoints();
        SetAddress(address, port.number, message->mutable_endpoint()->mutable_address());
        message->mutable_load_balancing_weight()->set_value(1);
        message->set_health_status(envoy::config::core::v3::HEALTHY);
      }
      AddResource(assignment.cluster_name(), assignment, endpoints);
    }
  }
}

}  // namespace tulle::snapshot
