#include "sidecar/discovery/discovery.h"

#include <openssl/sha.h>

#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "net/tls/secure_transports.h"
#include "sidecar/identity/state_file.h"
#include "telemetry/families.h"

namespace tulle::sidecar {
namespace {

using config::ResourceKind;
using telemetry::LogComponent;
using telemetry::LogLevel;

// Changes come in bursts; each burst is written once.
constexpr loop::Duration kSaveAfter = std::chrono::seconds(1);
// Between attempts to connect. Whoever has no control plane calls endpoints that are gone: a
// rollout soon after its restart must find its callers connected. docs/performance.md tells what
// it costs when all of 10,000 sidecars try.
constexpr loop::Duration kLastBackoff = std::chrono::seconds(10);

grpc::ChannelOptions ChannelOptionsOf(const std::string& authority, const std::string& scheme) {
  grpc::ChannelOptions options;
  options.authority = authority;
  options.scheme = scheme;
  options.last_backoff = kLastBackoff;
  return options;
}

// The file: the SHA-256 of the rest, then a DeltaDiscoveryResponse. Without the hash a byte that
// the disk corrupted would stay in force, since its version tells the control plane not to send it.
std::string Digest(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

bool ParseLastGood(std::string_view file,
                   envoy::service::discovery::v3::DeltaDiscoveryResponse* saved) {
  if (file.size() < SHA256_DIGEST_LENGTH) return false;
  const std::string_view bytes = file.substr(SHA256_DIGEST_LENGTH);
  return file.substr(0, SHA256_DIGEST_LENGTH) == Digest(bytes) &&
         saved->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::string Url(ResourceKind kind) { return std::string(config::TypeUrlOf(kind)); }

// "RouteConfiguration"
std::string_view TypeOf(std::string_view type_url) {
  return type_url.substr(type_url.rfind('.') + 1);
}

// Names a configuration by the resource that came last into it. `accepted` null: none came.
std::string SourceOf(const xds::Update& update, const xds::ReceivedResource* accepted) {
  const std::string type(TypeOf(update.type_url));
  if (accepted != nullptr)
    return absl::StrCat(type, " ", accepted->name, " version ", accepted->version);
  if (update.removed.empty()) return type;
  return absl::StrCat(type, " ", update.removed.back(), " removed");
}

}  // namespace

Discovery::Discovery(loop::Loop& loop, Sidecar& sidecar, grpc::Channel::Connect connect,
                     Options options, telemetry::Log& log, telemetry::Registry& metrics)
    : loop_(loop),
      sidecar_(sidecar),
      options_(std::move(options)),
      log_(log),
      metrics_(metrics),
      state_(options_.node, static_cast<xds::UpdateTarget&>(*this)),
      ads_(loop, std::move(connect), ChannelOptionsOf(options_.authority, options_.scheme), state_,
           static_cast<xds::AdsClient::Events&>(*this)),
      save_timer_(loop.NewTimer([this] { SaveLastGood(); })) {
  if (options_.clusters == Clusters::kByName) sidecar_.loader().FetchClustersByName();
  // Before the versions on disk are known: names that are subscribed to as well forget none of the
  // wildcard's.
  if (options_.clusters == Clusters::kAll) state_.SubscribeToAll(Url(ResourceKind::kCluster));
  if (options_.all_listeners) state_.SubscribeToAll(Url(ResourceKind::kListener));
}

Discovery::~Discovery() = default;

void Discovery::Start() {
  sidecar_.loader().DropUnreferenced();
  SubscribeToReferences();
  metrics_.GaugeRow(telemetry::kXdsConnected, std::array<std::string_view, 1>{options_.authority})
      .Set(0);
  ads_.Start();
}

void Discovery::SubscribeToReferences() {
  const config::SnapshotLoader& loader = sidecar_.loader();
  if (options_.clusters == Clusters::kByName)
    state_.Subscribe(Url(ResourceKind::kCluster), loader.wanted_clusters());
  std::set<std::string> endpoints = loader.wanted_endpoints();
  for (const auto& cluster : loader.dns_clusters()) endpoints.erase(cluster->eds_name);
  state_.Subscribe(Url(ResourceKind::kEndpoints), endpoints);
  std::set<std::string> secrets = loader.wanted_secrets();
  secrets.insert(options_.own_secrets.begin(), options_.own_secrets.end());
  for (const std::string& local : options_.local_secrets) secrets.erase(local);
  state_.Subscribe(Url(ResourceKind::kSecret), secrets);
  state_.Subscribe(Url(ResourceKind::kRoute), loader.wanted_routes());
}

void Discovery::SubscribeToListeners(const std::set<std::string>& names) {
  SubscribeToReferences();
  state_.Subscribe(Url(ResourceKind::kListener), names);
  ads_.Flush();
}

// What nothing refers to any more goes with the version that does not need it.
void Discovery::PublishReferences(std::string_view source) {
  sidecar_.loader().DropUnreferenced();
  sidecar_.Publish(source);
  SubscribeToReferences();
}

std::vector<xds::Rejection> Discovery::OnUpdate(const xds::Update& update) {
  std::vector<xds::Rejection> rejections;
  const auto kind = config::KindOf(update.type_url);
  if (!kind.ok()) return {{"(response)", std::string(kind.status().message())}};
  // New endpoints and secrets refer to nothing. Unless something waited for them, the references
  // stay what they are: going over all resources is saved for the most frequent updates.
  const bool keeps_references =
      (*kind == ResourceKind::kEndpoints || *kind == ResourceKind::kSecret) &&
      update.removed.empty() && !sidecar_.loader().is_waiting();
  const xds::ReceivedResource* accepted = nullptr;
  for (const xds::ReceivedResource& resource : update.resources) {
    const absl::Status status =
        sidecar_.loader().Put(*kind, resource.name, resource.bytes, config::Origin::kDynamic);
    CountUpdate(update.type_url, status.ok());
    if (!status.ok()) {
      log_.Write(LogLevel::kWarning, LogComponent::kXds,
                 absl::StrCat("rejected: ", status.message()));
      rejections.push_back({resource.name, std::string(status.message())});
      continue;
    }
    accepted = &resource;
    if (*kind == ResourceKind::kSecret && on_secret) on_secret(resource.name, resource.bytes);
  }
  for (const std::string& name : update.removed) {
    sidecar_.loader().Remove(*kind, name);
    if (*kind == ResourceKind::kListener && on_missing_listener) on_missing_listener(name);
  }
  const std::string source = SourceOf(update, accepted);
  keeps_references ? sidecar_.Publish(source) : PublishReferences(source);
  if (!options_.last_good_file.empty() && !save_timer_->active()) save_timer_->Start(kSaveAfter);
  return rejections;
}

void Discovery::CountUpdate(const std::string& type_url, bool accepted) {
  metrics_
      .CounterRow(
          telemetry::kXdsUpdates,
          std::array<std::string_view, 2>{TypeOf(type_url), accepted ? "accepted" : "rejected"})
      .Add();
}

void Discovery::OnAdsConnected() {
  log_.Write(LogLevel::kInfo, LogComponent::kXds,
             absl::StrCat("connected to ", options_.authority));
  metrics_.GaugeRow(telemetry::kXdsConnected, std::array<std::string_view, 1>{options_.authority})
      .Set(1);
}

void Discovery::OnAdsLost(const std::string& reason, Failure why) {
  log_.Write(LogLevel::kWarning, LogComponent::kXds,
             absl::StrCat(reason, "; reconnecting, the current configuration stays in force"));
  metrics_.GaugeRow(telemetry::kXdsConnected, std::array<std::string_view, 1>{options_.authority})
      .Set(0);
  if (on_certificate_rejected && tls::IsRefusedByPeer(why)) on_certificate_rejected();
}

bool Discovery::LoadLastGood() {
  auto bytes = identity::ReadStateFile(options_.last_good_file);
  if (!bytes.ok()) return false;
  envoy::service::discovery::v3::DeltaDiscoveryResponse saved;
  if (!ParseLastGood(*bytes, &saved)) {
    log_.Write(LogLevel::kWarning, LogComponent::kConfig,
               absl::StrCat(options_.last_good_file, " is corrupt; starting without it"));
    return false;
  }
  for (const auto& resource : saved.resources()) {
    const std::string& url = resource.resource().type_url();
    const auto kind = config::KindOf(url);
    if (!kind.ok()) continue;
    const absl::Status status = sidecar_.loader().Put(
        *kind, resource.name(), resource.resource().value(), config::Origin::kDynamic);
    if (status.ok()) state_.Remember(url, resource.name(), resource.version());
  }
  return true;
}

void Discovery::SaveLastGood() {
  envoy::service::discovery::v3::DeltaDiscoveryResponse saved;
  for (const config::StoredResource& stored : sidecar_.loader().Stored()) {
    if (stored.is_static || options_.local_secrets.contains(stored.name)) continue;
    const std::string url = Url(stored.kind);
    const auto& versions = state_.versions(url);
    const auto version = versions.find(stored.name);
    if (version == versions.end()) continue;
    auto* resource = saved.add_resources();
    resource->set_name(stored.name);
    resource->set_version(version->second);
    resource->mutable_resource()->set_type_url(url);
    resource->mutable_resource()->set_value(stored.bytes);
  }
  const std::string bytes = saved.SerializeAsString();
  const absl::Status status =
      identity::WriteStateFile(options_.last_good_file, Digest(bytes) + bytes);
  if (!status.ok())
    log_.Write(LogLevel::kError, LogComponent::kConfig, std::string(status.message()));
}

}  // namespace tulle::sidecar
