// Stores resources by type, finds those whose references are complete, and builds snapshots from
// them.
#include "sidecar/config/snapshot_loader.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "sidecar/config/cluster_config.h"
#include "sidecar/config/listener_config.h"
#include "sidecar/config/resources.h"
#include "sidecar/config/route_config.h"
#include "sidecar/config/tls_config.h"
#include "sidecar/upstream/ring.h"

namespace tulle::config {
namespace {

constexpr std::string_view kTypeUrls[] = {
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(
        absl::StrCat("cannot read '", path, "': check that it exists and is readable"));
  }
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

const FileReader& Files() {
  static const FileReader* const files = new FileReader(ReadFile);
  return *files;
}

template <typename Message>
absl::StatusOr<Message> Parse(std::string_view bytes, Origin origin, const FieldPath& at,
                              std::vector<std::string>* without_effect) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return at.Error(absl::StrCat("invalid content: not a ", Message::descriptor()->full_name()));
  }
  auto status = CheckFields(message, origin, at, without_effect);
  if (!status.ok()) return status;
  return message;
}

void CollectClusters(const FilterChainSpec& chain, std::set<std::string>& clusters) {
  if (const auto* tcp = std::get_if<TcpSpec>(&chain.proxy)) {
    for (const auto& [name, weight] : tcp->clusters) clusters.insert(name);
  } else if (const auto& routes = std::get<HttpSpec>(chain.proxy).routes; routes != nullptr) {
    clusters.insert(routes->clusters().begin(), routes->clusters().end());
  }
}

std::set<std::string> ClustersOf(const ListenerSpec& listener) {
  std::set<std::string> clusters;
  for (const auto& chain : listener.chains) CollectClusters(*chain, clusters);
  if (listener.default_chain != nullptr) CollectClusters(*listener.default_chain, clusters);
  return clusters;
}

// What is used beside the traffic itself: nothing waits for it.
void CollectTracing(const FilterChainSpec& chain, std::set<std::string>& clusters) {
  const auto* http = std::get_if<HttpSpec>(&chain.proxy);
  if (http != nullptr && http->tracing != nullptr) clusters.insert(http->tracing->cluster);
}

void CollectRoutes(const FilterChainSpec& chain, std::set<std::string>& routes) {
  const auto* http = std::get_if<HttpSpec>(&chain.proxy);
  if (http != nullptr && !http->rds_name.empty()) routes.insert(http->rds_name);
}

// Applies `collect` to the chains of the listener's newest version and of the one in force.
void CollectFrom(const Resource<ListenerSpec>& listener,
                 void (*collect)(const FilterChainSpec&, std::set<std::string>&),
                 std::set<std::string>& names) {
  for (const ListenerSpec* spec : {listener.accepted.get(), listener.active.get()}) {
    if (spec == nullptr) continue;
    for (const auto& chain : spec->chains) collect(*chain, names);
    if (spec->default_chain != nullptr) collect(*spec->default_chain, names);
  }
}

// Erases the dynamic ones that nothing refers to. Returns whether there were any.
template <typename Spec>
bool EraseUnless(const std::set<std::string>& wanted, ResourceTable<Spec>& table) {
  return std::erase_if(table, [&](const auto& entry) {
           return entry.second.origin == Origin::kDynamic && !wanted.contains(entry.first);
         }) > 0;
}

template <typename Spec>
bool AllActive(const std::set<std::string>& names, const ResourceTable<Spec>& table,
               const std::set<std::string, std::less<>>& absent = {}) {
  for (const std::string& name : names) {
    if (absent.contains(name)) continue;
    const auto found = table.find(name);
    if (found == table.end() || found->second.active == nullptr) return false;
  }
  return true;
}

// Activates what is ready. Returns whether anything changed.
template <typename Spec, typename Ready>
bool Activate(ResourceTable<Spec>& table, Ready ready) {
  bool changed = false;
  for (auto& [name, resource] : table) {
    if (!resource.waits() || !resource.missing.empty() || !ready(resource)) continue;
    resource.active = resource.accepted;
    changed = true;
  }
  return changed;
}

template <typename Spec>
void Show(const ResourceTable<Spec>& from, Snapshot::Table<Spec>& to) {
  for (const auto& [name, resource] : from) {
    if (resource.active != nullptr) to.emplace(name, resource.active);
  }
}

// Null: no EDS response yet.
std::shared_ptr<const upstream::EndpointSet> EndpointsOf(const Snapshot& snapshot,
                                                         const upstream::ClusterSpec& cluster) {
  if (!cluster.uses_eds) return cluster.static_endpoints;
  const auto found = snapshot.endpoints.find(cluster.eds_name);
  return found == snapshot.endpoints.end() ? nullptr : found->second;
}

// A ring is kept while its cluster and endpoints are the same.
void MakeRings(const Snapshot* before, Snapshot& snapshot) {
  for (const auto& [name, cluster] : snapshot.clusters) {
    if (cluster->balancing != upstream::Balancing::kRingHash) continue;
    const auto set = EndpointsOf(snapshot, *cluster);
    if (set == nullptr) continue;
    if (before != nullptr) {
      const auto old = before->clusters.find(name);
      const auto ring = before->rings.find(name);
      if (old != before->clusters.end() && old->second == cluster && ring != before->rings.end() &&
          EndpointsOf(*before, *cluster) == set) {
        snapshot.rings.emplace(name, ring->second);
        continue;
      }
    }
    snapshot.rings.emplace(
        name, std::make_shared<upstream::Ring>(*set, cluster->ring, cluster->locality_weighted));
  }
}

template <typename Spec>
bool AnyWaits(const ResourceTable<Spec>& table) {
  for (const auto& [name, resource] : table) {
    if (resource.waits()) return true;
  }
  return false;
}

template <typename Spec>
bool Erase(ResourceTable<Spec>& table, std::string_view name) {
  const auto found = table.find(name);
  if (found == table.end() || found->second.origin == Origin::kStatic) return false;
  table.erase(found);
  return true;
}

template <typename Spec>
void Store(ResourceTable<Spec>& table, const std::string& name, Resource<Spec> resource) {
  const auto found = table.find(name);
  if (found != table.end()) resource.active = found->second.active;
  table.insert_or_assign(name, std::move(resource));
}

template <typename Spec>
void List(ResourceKind kind, const ResourceTable<Spec>& table, std::vector<StoredResource>& out) {
  for (const auto& [name, resource] : table) {
    out.push_back(
        {kind, name, resource.bytes, resource.origin == Origin::kStatic, !resource.waits()});
  }
}

template <typename Spec>
void ListWithoutEffect(const ResourceTable<Spec>& table, std::vector<std::string>& out) {
  for (const auto& [name, resource] : table) {
    out.insert(out.end(), resource.without_effect.begin(), resource.without_effect.end());
  }
}

template <typename Spec>
bool Holds(const ResourceTable<Spec>& table, std::string_view name, std::string_view bytes) {
  const auto found = table.find(name);
  return found != table.end() && found->second.bytes == bytes;
}

// A control plane must not replace static resources of the file.
template <typename Spec>
absl::Status CheckOwner(const ResourceTable<Spec>& table, const std::string& name, Origin origin,
                        const FieldPath& at) {
  const auto found = table.find(name);
  if (found == table.end()) return absl::OkStatus();
  if (origin == Origin::kStatic) {
    return at.Error(absl::StrCat("duplicate resource name '", name, "': names must be unique"));
  }
  if (found->second.origin == Origin::kStatic) {
    return at.Error(absl::StrCat("'", name, "' is static on this proxy: use another name"));
  }
  return absl::OkStatus();
}

TlsConversion MakeTlsConversion(const tls::SecureTransports& transports,
                                const ResourceTable<SecretSpec>& secrets) {
  TlsConversion conversion;
  conversion.transports = &transports;
  conversion.files = &Files();
  conversion.find_secret =
      [&secrets](const std::string& name) -> std::shared_ptr<const SecretSpec> {
    const auto found = secrets.find(name);
    return found == secrets.end() ? nullptr : found->second.accepted;
  };
  return conversion;
}

template <typename Spec>
void TakeSecrets(TlsConversion& conversion, Resource<Spec>& resource) {
  resource.secrets = std::move(conversion.secrets);
  resource.missing = std::move(conversion.missing);
}

}  // namespace

absl::StatusOr<ResourceKind> KindOf(std::string_view type_url) {
  for (size_t i = 0; i < std::size(kTypeUrls); ++i) {
    if (kTypeUrls[i] == type_url) return static_cast<ResourceKind>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("resources of type '", std::string(type_url), "' are not supported"));
}

std::string_view TypeUrlOf(ResourceKind kind) { return kTypeUrls[static_cast<size_t>(kind)]; }

SnapshotLoader::SnapshotLoader(const tls::SecureTransports& transports)
    : transports_(transports), resources_(std::make_unique<Resources>()) {}

SnapshotLoader::~SnapshotLoader() = default;

absl::Status SnapshotLoader::Put(ResourceKind kind, std::string_view name, std::string_view bytes,
                                 Origin origin, std::string_view where) {
  const std::string place = where.empty() ? std::string(name) : std::string(where);
  switch (kind) {
    case ResourceKind::kListener:
      if (origin == Origin::kDynamic && Holds(resources_->listeners, name, bytes)) break;
      return PutListener(bytes, origin, place);
    case ResourceKind::kRoute:
      if (Holds(resources_->routes, name, bytes)) break;
      return PutRoute(bytes, origin, place);
    case ResourceKind::kCluster:
      if (origin == Origin::kDynamic && Holds(resources_->clusters, name, bytes)) break;
      return PutCluster(bytes, origin, place);
    case ResourceKind::kEndpoints:
      if (Holds(resources_->endpoints, name, bytes)) break;
      return PutEndpoints(bytes, origin, place);
    case ResourceKind::kSecret:
      if (origin == Origin::kDynamic && Holds(resources_->secrets, name, bytes)) break;
      return PutSecret(bytes, origin, place);
  }
  return absl::OkStatus();
}

absl::Status SnapshotLoader::PutListener(std::string_view bytes, Origin origin,
                                         const std::string& where) {
  const FieldPath at{std::string_view(where)};
  Resource<ListenerSpec> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message =
      Parse<envoy::config::listener::v3::Listener>(bytes, origin, at, &resource.without_effect);
  if (!message.ok()) return message.status();
  auto status = CheckOwner(resources_->listeners, message->name(), origin, at);
  if (!status.ok()) return status;
  TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
  ListenerConversion conversion;
  conversion.files = &Files();
  conversion.knows_cluster = [this, origin](const std::string& name) {
    return resources_->clusters.contains(name) || (clusters_by_name_ && origin == Origin::kDynamic);
  };
  auto spec = ToListener(*message, conversion, tls, at);
  if (!spec.ok()) return spec.status();
  for (const auto& [name, other] : resources_->listeners) {
    const bool same =
        other.accepted->address == (*spec)->address && other.accepted->bind && (*spec)->bind;
    if (same && name != (*spec)->name && (*spec)->address.port() != 0) {
      return (at / "address")
          .Error(absl::StrCat("listener '", name, "' is at ", (*spec)->address.ToString(),
                              " already"));
    }
  }
  resource.accepted = *std::move(spec);
  resource.routes = std::move(conversion.route_names);
  resource.clusters = ClustersOf(*resource.accepted);
  resource.without_effect.insert(resource.without_effect.end(), conversion.notes.begin(),
                                 conversion.notes.end());
  TakeSecrets(tls, resource);
  const std::string name = resource.accepted->name;
  Store(resources_->listeners, name, std::move(resource));
  changed_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotLoader::PutRoute(std::string_view bytes, Origin origin,
                                      const std::string& where) {
  const FieldPath at{std::string_view(where)};
  Resource<route::RouteTable> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message = Parse<envoy::config::route::v3::RouteConfiguration>(bytes, origin, at,
                                                                     &resource.without_effect);
  if (!message.ok()) return message.status();
  if (message->name().empty()) return (at / "name").Error("is required");
  auto table = ToRouteTable(*message, Files(), at, &resource.without_effect);
  if (!table.ok()) return table.status();
  resource.accepted = *std::move(table);
  resource.clusters.insert(resource.accepted->clusters().begin(),
                           resource.accepted->clusters().end());
  Store(resources_->routes, message->name(), std::move(resource));
  changed_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotLoader::PutCluster(std::string_view bytes, Origin origin,
                                        const std::string& where) {
  const FieldPath at{std::string_view(where)};
  Resource<upstream::ClusterSpec> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message =
      Parse<envoy::config::cluster::v3::Cluster>(bytes, origin, at, &resource.without_effect);
  if (!message.ok()) return message.status();
  auto status = CheckOwner(resources_->clusters, message->name(), origin, at);
  if (!status.ok()) return status;
  TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
  auto spec = ToCluster(*message, tls, at);
  if (!spec.ok()) return spec.status();
  resource.accepted = *std::move(spec);
  TakeSecrets(tls, resource);
  resources_->absent_clusters.erase(message->name());
  Store(resources_->clusters, message->name(), std::move(resource));
  changed_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotLoader::PutEndpoints(std::string_view bytes, Origin origin,
                                          const std::string& where) {
  const FieldPath at{std::string_view(where)};
  Resource<upstream::EndpointSet> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message = Parse<envoy::config::endpoint::v3::ClusterLoadAssignment>(
      bytes, origin, at, &resource.without_effect);
  if (!message.ok()) return message.status();
  auto set = ToEndpoints(*message, at);
  if (!set.ok()) return set.status();
  resource.accepted = *std::move(set);
  Store(resources_->endpoints, message->cluster_name(), std::move(resource));
  changed_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotLoader::PutSecret(std::string_view bytes, Origin origin,
                                       const std::string& where) {
  const FieldPath at{std::string_view(where)};
  Resource<SecretSpec> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message = Parse<envoy::extensions::transport_sockets::tls::v3::Secret>(
      bytes, origin, at, &resource.without_effect);
  if (!message.ok()) return message.status();
  auto status = CheckOwner(resources_->secrets, message->name(), origin, at);
  if (!status.ok()) return status;
  auto spec = ToSecret(*message, Files(), at);
  if (!spec.ok()) return spec.status();
  const std::string name = spec->name;
  resource.accepted = std::make_shared<const SecretSpec>(*std::move(spec));
  Store(resources_->secrets, name, std::move(resource));
  RebuildUsersOf(name);
  changed_ = true;
  return absl::OkStatus();
}

// Specs that cannot be rebuilt (the secret has the wrong type) stay as they are.
void SnapshotLoader::RebuildUsersOf(const std::string& secret) {
  for (auto& [name, cluster] : resources_->clusters) {
    if (!cluster.secrets.contains(secret)) continue;
    envoy::config::cluster::v3::Cluster message;
    message.ParseFromString(cluster.bytes);
    TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
    auto spec = ToCluster(message, tls, FieldPath{std::string_view(cluster.where)});
    if (!spec.ok()) continue;
    cluster.accepted = *std::move(spec);
    TakeSecrets(tls, cluster);
  }
  for (auto& [name, listener] : resources_->listeners) {
    if (!listener.secrets.contains(secret)) continue;
    envoy::config::listener::v3::Listener message;
    message.ParseFromString(listener.bytes);
    TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
    ListenerConversion conversion;
    conversion.files = &Files();
    conversion.knows_cluster = [](const std::string&) { return true; };
    auto spec = ToListener(message, conversion, tls, FieldPath{std::string_view(listener.where)});
    if (!spec.ok()) continue;
    listener.accepted = *std::move(spec);
    TakeSecrets(tls, listener);
  }
}

// Removes the endpoints that were kept only for this cluster.
void SnapshotLoader::EraseUnreferencedEndpoints() {
  const std::set<std::string> wanted = wanted_endpoints();
  std::erase_if(resources_->endpoints,
                [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void SnapshotLoader::Remove(ResourceKind kind, std::string_view name) {
  switch (kind) {
    case ResourceKind::kListener:
      changed_ |= Erase(resources_->listeners, name);
      break;
    case ResourceKind::kRoute:
      changed_ |= Erase(resources_->routes, name);
      break;
    case ResourceKind::kCluster:
      changed_ |= Erase(resources_->clusters, name);
      if (!resources_->clusters.contains(name))
        changed_ |= resources_->absent_clusters.emplace(name).second;
      EraseUnreferencedEndpoints();
      break;
    case ResourceKind::kEndpoints:
      // As in Envoy: a live cluster keeps its endpoints; a removed one takes them with it.
      if (!wanted_endpoints().contains(std::string(name))) {
        changed_ |= Erase(resources_->endpoints, name);
      }
      break;
    case ResourceKind::kSecret:
      // As in Envoy, the spec that was built from it stays in use.
      Erase(resources_->secrets, name);
      break;
  }
}

void SnapshotLoader::Settle(bool give_up) {
  Resources& all = *resources_;
  Activate(all.secrets, [](const auto&) { return true; });
  Activate(all.endpoints, [](const auto&) { return true; });
  Activate(all.clusters, [&](const auto& cluster) {
    return give_up || !cluster.accepted->uses_eds ||
           all.endpoints.contains(cluster.accepted->eds_name);
  });
  const auto has_clusters = [&](const std::set<std::string>& names) {
    return AllActive(names, all.clusters, all.absent_clusters);
  };
  Activate(all.routes, [&](const auto& table) { return give_up || has_clusters(table.clusters); });
  Activate(all.listeners, [&](const auto& listener) {
    return give_up || (AllActive(listener.routes, all.routes) && has_clusters(listener.clusters));
  });
}

void SnapshotLoader::DropUnreferenced() {
  Settle(false);
  changed_ |= EraseUnless(wanted_routes(), resources_->routes);
  const std::set<std::string> clusters = wanted_clusters();
  std::erase_if(resources_->absent_clusters,
                [&](const std::string& name) { return !clusters.contains(name); });
  if (!clusters_by_name_ || !EraseUnless(clusters, resources_->clusters)) return;
  EraseUnreferencedEndpoints();
  changed_ = true;
}

std::shared_ptr<const Snapshot> SnapshotLoader::Current() {
  if (!changed_ && current_ != nullptr) return current_;
  Settle(false);
  auto snapshot = std::make_shared<Snapshot>();
  Show(resources_->listeners, snapshot->listeners);
  Show(resources_->routes, snapshot->routes);
  Show(resources_->clusters, snapshot->clusters);
  Show(resources_->endpoints, snapshot->endpoints);
  MakeRings(current_.get(), *snapshot);
  current_ = std::move(snapshot);
  changed_ = false;
  return current_;
}

bool SnapshotLoader::is_waiting() const {
  return AnyWaits(resources_->clusters) || AnyWaits(resources_->routes) ||
         AnyWaits(resources_->listeners);
}

void SnapshotLoader::GiveUpWaiting() {
  Settle(true);
  changed_ = true;
}

std::set<std::string> SnapshotLoader::wanted_clusters() const {
  std::set<std::string> names;
  for (const auto& [name, listener] : resources_->listeners) {
    CollectFrom(listener, CollectClusters, names);
    CollectFrom(listener, CollectTracing, names);
  }
  for (const auto& [name, routes] : resources_->routes) {
    names.insert(routes.clusters.begin(), routes.clusters.end());
    if (routes.active == nullptr) continue;
    names.insert(routes.active->clusters().begin(), routes.active->clusters().end());
  }
  for (const auto& [name, cluster] : resources_->clusters) {
    if (cluster.origin == Origin::kStatic) names.erase(name);
  }
  return names;
}

std::set<std::string> SnapshotLoader::wanted_routes() const {
  std::set<std::string> names;
  for (const auto& [name, listener] : resources_->listeners) {
    CollectFrom(listener, CollectRoutes, names);
  }
  return names;
}

std::set<std::string> SnapshotLoader::wanted_endpoints() const {
  std::set<std::string> names;
  for (const auto& [name, cluster] : resources_->clusters) {
    if (cluster.accepted->uses_eds) names.insert(cluster.accepted->eds_name);
  }
  return names;
}

std::vector<std::shared_ptr<const upstream::ClusterSpec>> SnapshotLoader::dns_clusters() const {
  std::vector<std::shared_ptr<const upstream::ClusterSpec>> clusters;
  for (const auto& [name, cluster] : resources_->clusters) {
    if (cluster.accepted->dns != nullptr) clusters.push_back(cluster.accepted);
  }
  return clusters;
}

std::set<std::string> SnapshotLoader::wanted_secrets() const {
  std::set<std::string> names;
  for (const auto& [name, cluster] : resources_->clusters) {
    names.insert(cluster.secrets.begin(), cluster.secrets.end());
  }
  for (const auto& [name, listener] : resources_->listeners) {
    names.insert(listener.secrets.begin(), listener.secrets.end());
  }
  for (const auto& [name, secret] : resources_->secrets) {
    if (secret.origin == Origin::kStatic) names.erase(name);
  }
  return names;
}

std::vector<std::string> SnapshotLoader::WithoutEffect() const {
  std::vector<std::string> paths;
  ListWithoutEffect(resources_->secrets, paths);
  ListWithoutEffect(resources_->clusters, paths);
  ListWithoutEffect(resources_->endpoints, paths);
  ListWithoutEffect(resources_->routes, paths);
  ListWithoutEffect(resources_->listeners, paths);
  return paths;
}

std::vector<StoredResource> SnapshotLoader::Stored() const {
  std::vector<StoredResource> stored;
  List(ResourceKind::kSecret, resources_->secrets, stored);
  List(ResourceKind::kCluster, resources_->clusters, stored);
  List(ResourceKind::kEndpoints, resources_->endpoints, stored);
  List(ResourceKind::kRoute, resources_->routes, stored);
  List(ResourceKind::kListener, resources_->listeners, stored);
  return stored;
}

}  // namespace tulle::config
