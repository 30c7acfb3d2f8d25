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

// Of "type.googleapis.com/envoy.config.listener.v3.Listener" and its four fellows.
absl::StatusOr<ResourceKind> KindOf(std::string_view type_url);
std::string_view TypeUrlOf(ResourceKind kind);

// One accepted resource as it came: for the configuration dump and for the last good one on disk.
struct StoredResource {
  ResourceKind kind = ResourceKind::kListener;
  std::string name;
  std::string bytes;  // of the message; secrets hold private keys: never show them
  bool is_static = false;
  bool active = false;  // false: waits for what it names
};

// Turns resources into a Snapshot; all validation lives here. Owner: the sidecar's main part.
// Thread: main. Knows no time and does no I/O but reading files that resources name.
//
// Put() and Remove() for each resource of an update (secrets, clusters, endpoints, routes,
// listeners in this order, removals of listeners first), then Current() once. What Put() accepts is
// acknowledged; it shows in Current() when all it names is there: a cluster with its secrets and
// endpoints, a route table with its clusters, a listener with its secrets, route tables and
// clusters. Until then the former version stays. Whoever owns the clock calls GiveUpWaiting() after
// 15 s of is_waiting().
class SnapshotLoader {
 public:
  explicit SnapshotLoader(const tls::SecureTransports& transports);
  ~SnapshotLoader();

  // Validates and stores; equal bytes change nothing. On an error (for the NACK: it names the
  // resource, the field and what would be right) the former version stays. `where` overrides the
  // resource's name in the error: the path in a file.
  absl::Status Put(ResourceKind kind, std::string_view name, std::string_view bytes, Origin origin,
                   std::string_view where = "");
  // Static resources stay.
  void Remove(ResourceKind kind, std::string_view name);

  // The same object until something changed.
  std::shared_ptr<const Snapshot> Current();
  bool is_waiting() const;
  // Shows what waits all the same, but for what lacks a secret. Call Current() afterwards.
  void GiveUpWaiting();

  // What accepted resources name: to be subscribed to by name.
  std::set<std::string> wanted_routes() const;
  std::set<std::string> wanted_endpoints() const;
  // Those accepted clusters whose endpoints come from DNS: Put() them by their endpoints_name.
  std::vector<std::shared_ptr<const upstream::ClusterSpec>> dns_clusters() const;
  std::set<std::string> wanted_secrets() const;  // those that are not static

  // Paths of fields that are accepted and do nothing, in order, each resource once.
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
  void EraseUnwantedEndpoints();
  void Settle(bool give_up);

  const tls::SecureTransports& transports_;
  std::unique_ptr<Resources> resources_;
  std::shared_ptr<const Snapshot> current_;
  bool changed_ = true;
};

}  // namespace tulle::config
