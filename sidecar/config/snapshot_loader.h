#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecar/config/field_table.h"
#include "sidecar/config/snapshot.h"

namespace tulle::tls {
class SecureTransports;
}

namespace tulle::config {

enum class ResourceKind : uint8_t { kListener, kRoute, kCluster, kEndpoints, kSecret };

// The type of "type.googleapis.com/envoy.config.listener.v3.Listener" and the four others.
absl::StatusOr<ResourceKind> KindOf(std::string_view type_url);
std::string_view TypeUrlOf(ResourceKind kind);

// One accepted resource as received: for the configuration dump and the last-good file.
struct StoredResource {
  ResourceKind kind = ResourceKind::kListener;
  std::string name;
  std::string bytes;  // of the message; secrets contain private keys: never show them
  bool is_static = false;
  bool active = false;  // false: waits for a resource that it names
};

// Turns resources into a Snapshot; all validation is done here. Owner: the sidecar's main part.
// Thread: main. Has no clock and does no I/O except reading files that resources name.
//
// Call Put() and Remove() for each resource of an update (secrets, clusters, endpoints, routes,
// listeners in this order, removals of listeners first), then Current() once. What Put() accepts is
// acknowledged. It appears in Current() when everything it names is available: a cluster with its
// secrets and endpoints, a route table with its clusters, a listener with its secrets, route tables
// and clusters. Until then the previous version stays. The owner of the clock calls GiveUpWaiting()
// after 15 s of is_waiting().
class SnapshotLoader {
 public:
  explicit SnapshotLoader(const tls::SecureTransports& transports);
  ~SnapshotLoader();

  // Dynamic clusters are subscribed to by name: a listener may arrive before the clusters that it
  // refers to, and waits for them. Before the first Put().
  void FetchClustersByName() { clusters_by_name_ = true; }

  // Validates and stores; equal bytes change nothing. On an error the previous version stays; the
  // text, used for the NACK, names the resource, the field and how to fix it. `where` replaces the
  // resource's name in the error: the path in a file.
  absl::Status Put(ResourceKind kind, std::string_view name, std::string_view bytes, Origin origin,
                   std::string_view where = "");
  // Static resources stay. What refers to a cluster that does not exist does not wait for it.
  void Remove(ResourceKind kind, std::string_view name);
  // Forgets the dynamic routes and endpoints, and the clusters that are fetched by name, that
  // nothing refers to any more. Secrets stay. Before Current().
  void DropUnreferenced();

  // The same object until something changes.
  std::shared_ptr<const Snapshot> Current();
  bool is_waiting() const;
  // Activates waiting resources, except those without their secret. Call Current() afterwards.
  void GiveUpWaiting();

  // Names that accepted resources, and those in force, refer to: to be subscribed to.
  std::set<std::string> wanted_clusters() const;
  std::set<std::string> wanted_routes() const;
  std::set<std::string> wanted_endpoints() const;
  // The newest accepted versions, also of those that wait for other resources.
  std::vector<std::shared_ptr<const ListenerSpec>> listeners() const;
  // The accepted clusters whose endpoints come from DNS: Put() the endpoints under their
  // endpoints_name.
  std::vector<std::shared_ptr<const upstream::ClusterSpec>> dns_clusters() const;
  std::set<std::string> wanted_secrets() const;  // those that are not static

  // Paths of fields that are accepted without effect, in order, each resource once.
  std::vector<std::string> WithoutEffect() const;
  std::vector<StoredResource> Stored() const;

 private:
  struct Resources;

  absl::Status PutListener(std::string_view bytes, Origin origin, const std::string& where);
  absl::Status PutRoute(std::string_view bytes, Origin origin, const std::string& where);
  absl::Status PutCluster(std::string_view bytes, Origin origin, const std::string& where);
  absl::Status PutEndpoints(std::string_view bytes, Origin origin, const std::string& where);
  absl::Status PutSecret(std::string_view bytes, Origin origin, const std::string& where);
  void RebuildUsersOf(const std::string& secret);
  void EraseUnreferencedEndpoints();
  void Settle(bool give_up);

  const tls::SecureTransports& transports_;
  std::unique_ptr<Resources> resources_;
  std::shared_ptr<const Snapshot> current_;
  bool changed_ = true;
  bool clusters_by_name_ = false;
};

}  // namespace tulle::config
