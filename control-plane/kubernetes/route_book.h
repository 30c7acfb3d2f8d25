// The routes of a cluster and the grants for them: tells the mesh which policies they make, and
// which status each of them should have. A change costs the routes that it touches: those that name
// the Service, or a Service in the namespace of the grant. Pure.
//
// Owner: GatewayApi. Thread: the loop's. Order: any changes, then Update().
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/policy_outcome.h"
#include "control-plane/kubernetes/reference_grants.h"
#include "control-plane/kubernetes/route_object.h"
#include "control-plane/kubernetes/route_resolution.h"

namespace tulle::kubernetes {

class RouteBook {
 public:
  // `mesh` outlives this.
  RouteBook(discovery::MeshSink& mesh, FindService find_service)
      : mesh_(mesh), find_service_(std::move(find_service)) {}

  void PutRoute(policy::Kind kind, const ObjectKey& key, const Json& object);
  void RemoveRoute(const policy::DocumentKey& key);
  void RemoveRoutes(policy::Kind kind);
  void PutGrant(const ObjectKey& key, const Json& grant);
  void RemoveGrant(const ObjectKey& key);
  void RemoveGrants();
  // It came, went or has other ports.
  void OnService(const ServiceName& service);

  // Brings the policies up to date.
  PolicyOutcome Update();

  // What to write as status.parents of which version of the route. Nullopt: nothing.
  struct StatusChange {
    std::string version;
    Json parents;
  };
  std::optional<StatusChange> StatusOf(const policy::DocumentKey& key,
                                       const std::string& now) const;
  // Routes of which a condition of this type is False, as KIND NAMESPACE/NAME: "REASON: MESSAGE" of
  // the condition, of each parent once.
  std::map<std::string, std::string> Failing(const std::string& type) const;
  size_t size() const { return routes_.size(); }

 private:
  using Keys = std::set<policy::DocumentKey>;
  struct Entry {
    RouteObject route;
    RouteResolution resolution;
    bool is_one_too_many = false;  // for some parent
  };
  // Older routes come first; of the same second, in order of their keys.
  using Rank = std::pair<int64_t, policy::DocumentKey>;
  // A parent, and the namespace of the routes for it.
  using Group = std::pair<ServiceName, std::string>;

  template <typename Name>
  void Touch(const std::map<Name, Keys>& index, const Name& name);
  void Index(const RouteObject& route);
  void Unindex(const RouteObject& route);
  void IndexParents(const RouteObject& route, bool is_added);
  std::set<ServiceName> FullParentsOf(const RouteObject& route) const;
  void UpdateRoute(const policy::DocumentKey& key, PolicyOutcome* outcome);

  discovery::MeshSink& mesh_;
  const FindService find_service_;
  std::map<policy::DocumentKey, Entry> routes_;
  ReferenceGrants grants_;
  std::map<ServiceName, Keys> by_service_;  // routes that name it
  std::map<std::string, Keys> by_target_;   // routes of other namespaces that name a Service of it
  std::map<Group, std::set<Rank>> groups_;
  Keys touched_;
  bool has_changed_ = false;  // a policy has gone
};

}  // namespace tulle::kubernetes
