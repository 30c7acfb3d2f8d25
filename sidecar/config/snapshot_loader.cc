// Stores resources by type, finds those whose references are complete, and builds snapshots from
// them.
#include "sidecar/config/snapshot_loader.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "sidecar/config/cluster_config.h"
#include "sidecar/config/listener_config.h"
#include "sidecar/config/references.h"
#include "sidecar/config/resources.h"
#include "sidecar/config/route_config.h"
#include "sidecar/config/snapshot_rings.h"
#include "sidecar/config/tls_config.h"
#include "xds/proto/type_urls.h"

namespace tulle::config {
namespace {

// By ResourceKind.
constexpr std::string_view kTypeUrls[] = {xds::kListenerType, xds::kRouteType, xds::kClusterType,
                                          xds::kEndpointType, xds::kSecretType};

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

// The names that the newest version of a listener and the one in force refer to.
void AddFrom(const Resource<ListenerSpec>& listener,
             void (*add)(const ListenerSpec&, std::set<std::string>&),
             std::set<std::string>& names) {
  for (const ListenerSpec* spec : {listener.accepted.get(), listener.active.get()}) {
    if (spec != nullptr) add(*spec, names);
  }
}

template <typename Message>
const std::string& NameOf(const Message& message) {
  return message.name();
}

const std::string& NameOf(const envoy::config::endpoint::v3::ClusterLoadAssignment& message) {
  return message.cluster_name();
}

// Parses a resource, lets `convert(message, at, resource)` fill it, and stores it.
template <typename Message, typename Spec, typename Convert>
absl::Status Accept(ResourceStore<Spec>& store, std::string_view bytes, Origin origin,
                    const std::string& where, Convert convert) {
  const FieldPath at{std::string_view(where)};
  Resource<Spec> resource;
  resource.bytes = bytes;
  resource.where = where;
  resource.origin = origin;
  auto message = Parse<Message>(bytes, origin, at, &resource.without_effect);
  if (!message.ok()) return message.status();
  auto status = convert(*message, at, resource);
  if (!status.ok()) return status;
  store.Put(NameOf(*message), std::move(resource));
  return absl::OkStatus();
}

TlsConversion MakeTlsConversion(const tls::SecureTransports& transports,
                                const ResourceStore<SecretSpec>& secrets) {
  TlsConversion conversion;
  conversion.transports = &transports;
  conversion.files = &Files();
  conversion.find_secret = [&secrets](const std::string& name) { return secrets.Accepted(name); };
  return conversion;
}

absl::Status CheckAddress(const ResourceStore<ListenerSpec>& listeners, const ListenerSpec& spec,
                          const FieldPath& at) {
  if (!spec.bind || spec.address.port() == 0) return absl::OkStatus();
  for (const auto& [name, other] : listeners) {
    if (name == spec.name || !other.accepted->bind || other.accepted->address != spec.address)
      continue;
    return (at / "address")
        .Error(absl::StrCat("listener '", name, "' is at ", spec.address.ToString(), " already"));
  }
  return absl::OkStatus();
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
  // A static resource that comes twice is an error, even if it is the same.
  const bool may_be_known = origin == Origin::kDynamic;
  bool known = false;
  absl::Status status;
  switch (kind) {
    case ResourceKind::kListener:
      known = may_be_known && resources_->listeners.Holds(name, bytes);
      if (!known) status = PutListener(bytes, origin, place);
      break;
    case ResourceKind::kRoute:
      known = resources_->routes.Holds(name, bytes);
      if (!known) status = PutRoute(bytes, origin, place);
      break;
    case ResourceKind::kCluster:
      known = may_be_known && resources_->clusters.Holds(name, bytes);
      if (!known) status = PutCluster(bytes, origin, place);
      break;
    case ResourceKind::kEndpoints:
      known = resources_->endpoints.Holds(name, bytes);
      if (!known) status = PutEndpoints(bytes, origin, place);
      break;
    case ResourceKind::kSecret:
      known = may_be_known && resources_->secrets.Holds(name, bytes);
      if (!known) status = PutSecret(bytes, origin, place);
      break;
  }
  changed_ |= !known && status.ok();
  return status;
}

absl::Status SnapshotLoader::PutListener(std::string_view bytes, Origin origin,
                                         const std::string& where) {
  using Message = envoy::config::listener::v3::Listener;
  return Accept<Message>(
      resources_->listeners, bytes, origin, where,
      [&](const Message& message, const FieldPath& at, Resource<ListenerSpec>& resource) {
        auto status = resources_->listeners.CheckOwner(message.name(), origin, at);
        if (!status.ok()) return status;
        TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
        ListenerConversion conversion;
        conversion.files = &Files();
        conversion.knows_cluster = [&](const std::string& name) {
          return resources_->clusters.contains(name) ||
                 (clusters_by_name_ && origin == Origin::kDynamic);
        };
        auto spec = ToListener(message, conversion, tls, at);
        if (!spec.ok()) return spec.status();
        status = CheckAddress(resources_->listeners, **spec, at);
        if (!status.ok()) return status;
        resource.accepted = *std::move(spec);
        resource.routes = std::move(conversion.route_names);
        AddClustersOf(*resource.accepted, resource.clusters);
        resource.without_effect.insert(resource.without_effect.end(), conversion.notes.begin(),
                                       conversion.notes.end());
        TakeSecrets(tls, resource);
        return status;
      });
}

absl::Status SnapshotLoader::PutRoute(std::string_view bytes, Origin origin,
                                      const std::string& where) {
  using Message = envoy::config::route::v3::RouteConfiguration;
  return Accept<Message>(
      resources_->routes, bytes, origin, where,
      [](const Message& message, const FieldPath& at, Resource<route::RouteTable>& resource) {
        if (message.name().empty()) return (at / "name").Error("is required");
        auto table = ToRouteTable(message, Files(), at, &resource.without_effect);
        if (!table.ok()) return table.status();
        resource.accepted = *std::move(table);
        resource.clusters.insert(resource.accepted->clusters().begin(),
                                 resource.accepted->clusters().end());
        return absl::OkStatus();
      });
}

absl::Status SnapshotLoader::PutCluster(std::string_view bytes, Origin origin,
                                        const std::string& where) {
  using Message = envoy::config::cluster::v3::Cluster;
  return Accept<Message>(
      resources_->clusters, bytes, origin, where,
      [&](const Message& message, const FieldPath& at, Resource<upstream::ClusterSpec>& resource) {
        auto status = resources_->clusters.CheckOwner(message.name(), origin, at);
        if (!status.ok()) return status;
        TlsConversion tls = MakeTlsConversion(transports_, resources_->secrets);
        auto spec = ToCluster(message, tls, at);
        if (!spec.ok()) return spec.status();
        resource.accepted = *std::move(spec);
        TakeSecrets(tls, resource);
        resources_->absent_clusters.erase(message.name());
        return absl::OkStatus();
      });
}

absl::Status SnapshotLoader::PutEndpoints(std::string_view bytes, Origin origin,
                                          const std::string& where) {
  using Message = envoy::config::endpoint::v3::ClusterLoadAssignment;
  return Accept<Message>(
      resources_->endpoints, bytes, origin, where,
      [](const Message& message, const FieldPath& at, Resource<upstream::EndpointSet>& resource) {
        auto set = ToEndpoints(message, at);
        if (!set.ok()) return set.status();
        resource.accepted = *std::move(set);
        return absl::OkStatus();
      });
}

absl::Status SnapshotLoader::PutSecret(std::string_view bytes, Origin origin,
                                       const std::string& where) {
  using Message = envoy::extensions::transport_sockets::tls::v3::Secret;
  std::string name;
  auto status = Accept<Message>(
      resources_->secrets, bytes, origin, where,
      [&](const Message& message, const FieldPath& at, Resource<SecretSpec>& resource) {
        auto owner = resources_->secrets.CheckOwner(message.name(), origin, at);
        if (!owner.ok()) return owner;
        auto spec = ToSecret(message, Files(), at);
        if (!spec.ok()) return spec.status();
        name = spec->name;
        resource.accepted = std::make_shared<const SecretSpec>(*std::move(spec));
        return absl::OkStatus();
      });
  if (status.ok()) RebuildUsersOf(name);
  return status;
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
  resources_->endpoints.RemoveUnless(wanted_endpoints());
}

void SnapshotLoader::Remove(ResourceKind kind, std::string_view name) {
  switch (kind) {
    case ResourceKind::kListener:
      changed_ |= resources_->listeners.Remove(name);
      break;
    case ResourceKind::kRoute:
      changed_ |= resources_->routes.Remove(name);
      break;
    case ResourceKind::kCluster:
      changed_ |= resources_->clusters.Remove(name);
      if (!resources_->clusters.contains(name))
        changed_ |= resources_->absent_clusters.emplace(name).second;
      EraseUnreferencedEndpoints();
      break;
    case ResourceKind::kEndpoints:
      // As in Envoy: a live cluster keeps its endpoints; a removed one takes them with it.
      if (!wanted_endpoints().contains(std::string(name))) {
        changed_ |= resources_->endpoints.Remove(name);
      }
      break;
    case ResourceKind::kSecret:
      // As in Envoy, the spec that was built from it stays in use.
      resources_->secrets.Remove(name);
      break;
  }
}

void SnapshotLoader::Settle(bool give_up) {
  Resources& all = *resources_;
  all.secrets.Activate([](const auto&) { return true; });
  all.endpoints.Activate([](const auto&) { return true; });
  all.clusters.Activate([&](const auto& cluster) {
    return give_up || !cluster.accepted->uses_eds ||
           all.endpoints.contains(cluster.accepted->eds_name);
  });
  const auto has_clusters = [&](const std::set<std::string>& names) {
    return all.clusters.AllActive(names, all.absent_clusters);
  };
  all.routes.Activate([&](const auto& table) { return give_up || has_clusters(table.clusters); });
  all.listeners.Activate([&](const auto& listener) {
    return give_up || (all.routes.AllActive(listener.routes) && has_clusters(listener.clusters));
  });
}

void SnapshotLoader::DropUnreferenced() {
  Settle(false);
  changed_ |= resources_->routes.RemoveUnless(wanted_routes());
  if (!clusters_by_name_ && resources_->absent_clusters.empty()) return;
  const std::set<std::string> clusters = wanted_clusters();
  std::erase_if(resources_->absent_clusters,
                [&](const std::string& name) { return !clusters.contains(name); });
  if (!clusters_by_name_ || !resources_->clusters.RemoveUnless(clusters)) return;
  EraseUnreferencedEndpoints();
  changed_ = true;
}

std::shared_ptr<const Snapshot> SnapshotLoader::Current() {
  if (!changed_ && current_ != nullptr) return current_;
  Settle(false);
  auto snapshot = std::make_shared<Snapshot>();
  resources_->listeners.CopyActiveTo(snapshot->listeners);
  resources_->routes.CopyActiveTo(snapshot->routes);
  resources_->clusters.CopyActiveTo(snapshot->clusters);
  resources_->endpoints.CopyActiveTo(snapshot->endpoints);
  AddRings(current_.get(), *snapshot);
  current_ = std::move(snapshot);
  changed_ = false;
  return current_;
}

bool SnapshotLoader::is_waiting() const {
  return resources_->clusters.any_waits() || resources_->routes.any_waits() ||
         resources_->listeners.any_waits();
}

void SnapshotLoader::GiveUpWaiting() {
  Settle(true);
  changed_ = true;
}

std::set<std::string> SnapshotLoader::wanted_clusters() const {
  std::set<std::string> names;
  for (const auto& [name, listener] : resources_->listeners) {
    AddFrom(listener, AddClustersOf, names);
    AddFrom(listener, AddCollectorsOf, names);
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
    AddFrom(listener, AddRoutesOf, names);
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

std::vector<std::shared_ptr<const ListenerSpec>> SnapshotLoader::listeners() const {
  std::vector<std::shared_ptr<const ListenerSpec>> listeners;
  for (const auto& [name, listener] : resources_->listeners) listeners.push_back(listener.accepted);
  return listeners;
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
  resources_->ForEachStore([&](ResourceKind, const auto& store) {
    for (const auto& [name, resource] : store)
      paths.insert(paths.end(), resource.without_effect.begin(), resource.without_effect.end());
  });
  return paths;
}

std::vector<StoredResource> SnapshotLoader::Stored() const {
  std::vector<StoredResource> stored;
  resources_->ForEachStore([&](ResourceKind kind, const auto& store) {
    for (const auto& [name, resource] : store)
      stored.push_back({kind, name, resource.bytes, resource.is_static(), !resource.waits()});
  });
  return stored;
}

}  // namespace tulle::config
