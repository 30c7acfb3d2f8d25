// What becomes of a route in the cluster as it is: the policy in force, and the conditions that its
// status must state. Pure; any thread. Source: gateway.networking.k8s.io/v1 RouteParentStatus,
// RouteConditionType and RouteConditionReason.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control-plane/kubernetes/object_facts.h"
#include "control-plane/kubernetes/reference_grants.h"
#include "control-plane/kubernetes/route_object.h"
#include "control-plane/policy/model.h"

namespace tulle::kubernetes {

// Of one namespace for one Service, merged. The oldest are in force.
inline constexpr size_t kMostRoutesOfService = 128;

// Null: there is no such Service, or none that the mesh serves.
using FindService = std::function<const ServiceFacts*(const ServiceName&)>;

struct ParentConditions {
  Json ref;  // as the route states it
  std::vector<Condition> conditions;
};

struct RouteResolution {
  std::shared_ptr<const policy::Document> policy;  // null: none is in force
  std::vector<ParentConditions> parents;           // in the route's order
};

// `full`: parents that have as many older routes of the route's namespace as may be in force.
RouteResolution Resolve(const RouteObject& route, const FindService& find_service,
                        const ReferenceGrants& grants, const std::set<ServiceName>& full);

}  // namespace tulle::kubernetes
