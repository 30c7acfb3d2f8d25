// Reads an Envoy bootstrap and loads its static resources.
#include "sidecar/config/bootstrap.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "sidecar/config/text_message.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

namespace bootstrap_v3 = envoy::config::bootstrap::v3;
namespace core = envoy::config::core::v3;

absl::Status ReadAds(const bootstrap_v3::Bootstrap::DynamicResources& resources,
                     const FieldPath& at, Bootstrap& bootstrap) {
  bootstrap.dynamic_listeners = resources.has_lds_config();
  bootstrap.dynamic_clusters = resources.has_cds_config();
  for (const auto* source : {&resources.lds_config(), &resources.cds_config()}) {
    const bool set = source->config_source_specifier_case() != 0;
    if (set && !source->has_ads()) return at.Error("lds_config and cds_config must be {ads: {}}");
  }
  if (!resources.has_ads_config()) {
    const bool needed = bootstrap.dynamic_listeners || bootstrap.dynamic_clusters;
    return needed ? (at / "ads_config").Error("is required by lds_config and cds_config")
                  : absl::OkStatus();
  }
  const auto& config = resources.ads_config();
  const FieldPath here = at / "ads_config";
  AdsSpec ads;
  if (config.api_type() != core::ApiConfigSource::DELTA_GRPC &&
      config.api_type() != core::ApiConfigSource::GRPC) {
    return (here / "api_type").Error("must be DELTA_GRPC or GRPC");
  }
  ads.delta = config.api_type() == core::ApiConfigSource::DELTA_GRPC;
  if (config.grpc_services_size() != 1 || !config.grpc_services(0).has_envoy_grpc()) {
    return (here / "grpc_services").Error("must have exactly one envoy_grpc");
  }
  ads.cluster = config.grpc_services(0).envoy_grpc().cluster_name();
  ads.authority = config.grpc_services(0).envoy_grpc().authority();
  if (ads.cluster.empty()) {
    return (here / "grpc_services[0].envoy_grpc.cluster_name").Error("is required");
  }
  bootstrap.ads = std::move(ads);
  return absl::OkStatus();
}

absl::Status ReadNode(const core::Node& node, Bootstrap& bootstrap) {
  bootstrap.node_id = node.id();
  bootstrap.node_cluster = node.cluster();
  bootstrap.node_bytes = DeterministicBytes(node);
  if (bootstrap.ads && (node.id().empty() || node.cluster().empty())) {
    return (FieldPath() / "node").Error("needs id and cluster when a control plane is configured");
  }
  return absl::OkStatus();
}

absl::Status ReadLimits(const bootstrap_v3::Bootstrap& message, Bootstrap& bootstrap) {
  using envoy::extensions::resource_monitors::downstream_connections::v3::
      DownstreamConnectionsConfig;
  for (int i = 0; i < message.overload_manager().resource_monitors_size(); ++i) {
    const auto& monitor = message.overload_manager().resource_monitors(i);
    DownstreamConnectionsConfig limit;
    const FieldPath at =
        ((FieldPath() / "overload_manager") / "resource_monitors")[static_cast<size_t>(i)];
    if (!monitor.typed_config().UnpackTo(&limit) ||
        limit.max_active_downstream_connections() <= 0) {
      return at.Error("only global_downstream_max_connections with a limit above 0 is implemented");
    }
    bootstrap.max_downstream_connections =
        static_cast<uint64_t>(limit.max_active_downstream_connections());
  }
  return absl::OkStatus();
}

template <typename Items>
void AddResources(ResourceKind kind, const Items& items, std::string_view field,
                  Bootstrap& bootstrap) {
  const FieldPath at = (FieldPath() / "static_resources") / field;
  for (int i = 0; i < items.size(); ++i) {
    bootstrap.resources.push_back(
        {kind, items[i].name(), items[i].SerializeAsString(), at[static_cast<size_t>(i)].text()});
  }
}

absl::StatusOr<Bootstrap> Convert(const bootstrap_v3::Bootstrap& message) {
  Bootstrap bootstrap;
  // The resources are checked one by one as they are loaded.
  bootstrap_v3::Bootstrap rest = message;
  rest.clear_static_resources();
  auto status = CheckFields(rest, Origin::kStatic, FieldPath(), &bootstrap.without_effect);
  status.Update(
      ReadAds(message.dynamic_resources(), (FieldPath() / "dynamic_resources"), bootstrap));
  status.Update(ReadNode(message.node(), bootstrap));
  status.Update(ReadLimits(message, bootstrap));
  if (!status.ok()) return status;
  if (message.admin().has_address()) {
    auto address = ToAddress(message.admin().address(), (FieldPath() / "admin.address"));
    if (!address.ok()) return address.status();
    bootstrap.admin = *address;
  }
  const auto& resources = message.static_resources();
  AddResources(ResourceKind::kSecret, resources.secrets(), "secrets", bootstrap);
  AddResources(ResourceKind::kCluster, resources.clusters(), "clusters", bootstrap);
  AddResources(ResourceKind::kListener, resources.listeners(), "listeners", bootstrap);
  return bootstrap;
}

absl::Status InFile(std::string_view file, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(std::string(file), ": ", status.message()));
}

}  // namespace

absl::StatusOr<Bootstrap> ParseBootstrap(std::string_view text, std::string_view file) {
  bootstrap_v3::Bootstrap message;
  if (auto status = ParseText(text, &message); !status.ok()) return InFile(file, status);
  auto bootstrap = Convert(message);
  if (!bootstrap.ok()) return InFile(file, bootstrap.status());
  return bootstrap;
}

absl::Status LoadStaticResources(const Bootstrap& bootstrap, std::string_view file,
                                 SnapshotLoader& loader) {
  std::string errors;
  for (const auto& resource : bootstrap.resources) {
    const auto status =
        loader.Put(resource.kind, resource.name, resource.bytes, Origin::kStatic, resource.where);
    if (status.ok()) continue;
    absl::StrAppend(&errors, errors.empty() ? "" : "\n", std::string(file), ": ",
                    std::string(status.message()));
  }
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(errors);
}

}  // namespace tulle::config
