#include "sidecar/process/file_configuration.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/upstream/dial.h"
#include "telemetry/families.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (file && (text || errno == 0)) return text.str();  // an empty file sets no error
  return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
}

// The static cluster that the ADS stream connects to; null: not found, or without an endpoint.
std::shared_ptr<const upstream::ClusterSpec> FindAdsCluster(const config::Snapshot& snapshot,
                                                            const std::string& name) {
  const auto found = snapshot.clusters.find(name);
  if (found == snapshot.clusters.end()) return nullptr;
  const auto& endpoints = found->second->static_endpoints;
  return endpoints == nullptr || endpoints->endpoints.empty() ? nullptr : found->second;
}

}  // namespace

FileConfiguration::FileConfiguration(loop::Loop& loop, std::string file, Sidecar& sidecar,
                                     telemetry::Log& log, telemetry::Registry& metrics)
    : loop_(loop), file_(std::move(file)), sidecar_(sidecar), log_(log), metrics_(metrics) {}

FileConfiguration::~FileConfiguration() = default;

absl::Status FileConfiguration::Load() {
  auto text = ReadFile(file_);
  if (!text.ok()) return text.status();
  auto bootstrap = config::ParseBootstrap(*text, file_);
  if (!bootstrap.ok()) return bootstrap.status();
  bootstrap_ = *std::move(bootstrap);
  absl::Status loaded = config::LoadStaticResources(*bootstrap_, file_, sidecar_.loader());
  if (!loaded.ok()) return loaded;
  bootstrap_->resources = {};
  for (const std::string& path : bootstrap_->without_effect) {
    log_.Write(LogLevel::kWarning, LogComponent::kConfig,
               absl::StrCat(path, " is accepted and has no effect"));
  }
  metrics_.GaugeRow(telemetry::kConfigWarnings)
      .Set(static_cast<double>(bootstrap_->without_effect.size()));
  if (bootstrap_->max_downstream_connections > 0)
    sidecar_.LimitDownstream(bootstrap_->max_downstream_connections);
  return absl::OkStatus();
}

absl::Status FileConfiguration::Start() {
  // What the file refers to and does not define will not come from anywhere else.
  if (!bootstrap_->ads && sidecar_.loader().dns_clusters().empty())
    sidecar_.loader().GiveUpWaiting();
  sidecar_.Publish("the configuration file");
  return bootstrap_->ads ? ConnectToAds() : absl::OkStatus();
}

absl::Status FileConfiguration::ConnectToAds() {
  const config::AdsSpec& ads = *bootstrap_->ads;
  if (!ads.delta) {
    return absl::UnimplementedError(
        "dynamic_resources.ads_config.api_type: GRPC (state of the world) is not supported; use "
        "DELTA_GRPC");
  }
  const auto cluster = FindAdsCluster(*sidecar_.loader().Current(), ads.cluster);
  if (cluster == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("dynamic_resources.ads_config: cluster ",
                                                   ads.cluster,
                                                   " must be a static cluster with an endpoint"));
  }
  Discovery::Options options;
  options.node = bootstrap_->node_bytes;
  options.authority = ads.authority.empty() ? ads.cluster : ads.authority;
  if (cluster->transport_sockets.front().tls == nullptr) options.scheme = "http";
  options.all_listeners = bootstrap_->dynamic_listeners;
  options.clusters =
      bootstrap_->dynamic_clusters ? Discovery::Clusters::kAll : Discovery::Clusters::kNone;
  discovery_ = std::make_unique<Discovery>(
      loop_, sidecar_,
      [this, cluster, next = size_t{0}]() mutable {
        const auto& endpoints = cluster->static_endpoints->endpoints;
        return upstream::Dial(loop_, *cluster, endpoints[next++ % endpoints.size()],
                              cluster->transport_sockets.front());
      },
      std::move(options), log_, metrics_);
  discovery_->Start();
  return absl::OkStatus();
}

}  // namespace tulle::sidecar
