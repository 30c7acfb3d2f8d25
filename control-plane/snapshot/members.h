// What a transparent node gets that calls a member of a service by the member's own address
// (Redis Cluster, Kafka, replica sets): a listener ADDRESS_PORT with inline routes and a cluster of
// that endpoint alone, with the service's settings but not its HTTPRoute, which is for calls to the
// service. Made when they are first asked for, and kept up to date from then on.
//
// Owner: SharedResources. Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/snapshot.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

// One port of one workload, as peers dial it.
struct Member {
  std::string name;  // ADDRESS_PORT
  const discovery::Workload* workload = nullptr;
  uint32_t port = 0;
  discovery::ServiceName service;  // the first of those that it serves
  uint32_t service_port = 0;
  policy::Protocol protocol = policy::Protocol::kTcp;

  std::string Cluster() const;
  std::string BytesCluster() const;  // beside it where the protocol is not declared
};

// Nullopt: no sidecar of the mesh listens there.
std::optional<Member> FindMember(const MeshView& view, std::string_view name);
void AddMemberClusters(const MeshView& view, const Member& member, ResourceTable* clusters);
void AddMemberEndpoint(const Member& member,
                       envoy::config::endpoint::v3::ClusterLoadAssignment* assignment);
void AddMemberListener(const MeshView& view, const Member& member, ResourceTable* listeners);
void AddMemberRoute(const MeshView& view, const Member& member,
                    envoy::config::route::v3::VirtualHost* host);

class Members {
 public:
  // Null: there is none.
  std::shared_ptr<const Resource> FindListener(const MeshView& view, std::string_view name);
  std::shared_ptr<const Resource> FindCluster(const MeshView& view, std::string_view name);
  // Something about the service has changed: which names differ now.
  void Update(const MeshView& view, const discovery::ServiceName& service,
              xds::ChangedNames* changed);

 private:
  // Null: not a member.
  const Snapshot* Of(const MeshView& view, std::string_view name);

  std::map<std::string, Snapshot, std::less<>> used_;  // by Member::name
  std::map<discovery::ServiceName, std::set<std::string>> names_;
};

}  // namespace tulle::snapshot
