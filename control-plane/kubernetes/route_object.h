// An HTTPRoute or GRPCRoute of the API server, as far as it concerns the mesh: which Services it is
// for, which Services it names, and the policy that it says. Pure; any thread.
//
// The policy is read with the tables that `tullectl apply` uses, and one that they do not
// understand is refused as a whole. `hostnames` are ignored: the Gateway API has not said yet what
// they mean to a mesh. Source: gateway.networking.k8s.io/v1 HTTPRoute, GRPCRoute; GEP-1294.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control-plane/kubernetes/objects.h"
#include "control-plane/policy/model.h"

namespace tulle::kubernetes {

// On the entries of a route's status that are ours.
inline constexpr char kControllerName[] = "tulle.dev/mesh-controller";
inline constexpr char kGatewayGroup[] = "gateway.networking.k8s.io";

// A parent that is a Service.
struct RouteParent {
  Json ref;  // as it was written
  ServiceName service;
  std::optional<uint32_t> port;
  std::string section;  // name of a port; empty: any
};

// A backend, or the target of a mirror.
struct RouteRef {
  std::string field;  // "spec.rules[0].backendRefs[1]"
  size_t rule = 0;
  std::optional<size_t> backend;  // absent: of the rule itself
  std::optional<size_t> mirror;   // absent: the backend itself
  std::string other_kind;         // "GROUP/KIND" of what is not a Service; empty: a Service
  ServiceName service;
  uint32_t port = 0;
};

struct RouteObject {
  policy::DocumentKey key;
  std::string uid;
  std::string version;  // metadata.resourceVersion
  int64_t generation = 0;
  Json statuses;  // status.parents, of all controllers
  std::vector<RouteParent> parents;
  std::vector<RouteRef> refs;
  // Parents and references are still to be set. Absent: it has no parents, or `problem` says why.
  std::optional<policy::Document> document;
  std::string problem;
};

RouteObject ReadRoute(policy::Kind kind, const ObjectKey& key, const Json& object);

}  // namespace tulle::kubernetes
