#include "control-plane/snapshot/older_sidecars.h"

#include <algorithm>

#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/telemetry.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::snapshot {
namespace {

using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using OpenTelemetryLog =
    envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;

template <typename Change>
void ForEachChain(Listener* listener, Change change) {
  for (auto& chain : *listener->mutable_filter_chains()) change(&chain);
  if (listener->has_default_filter_chain()) change(listener->mutable_default_filter_chain());
}

// Each filter whose configuration is of that type.
template <typename Config, typename Change>
void ForEachFilter(Listener* listener, Change change) {
  ForEachChain(listener, [&](FilterChain* chain) {
    for (auto& filter : *chain->mutable_filters()) {
      Config config;
      if (!filter.typed_config().UnpackTo(&config)) continue;
      change(&config);
      Pack(config, filter.mutable_typed_config());
    }
  });
}

template <typename Change>
void ForEachHttpManager(Listener* listener, Change change) {
  ForEachFilter<HttpConnectionManager>(listener, change);
}

// Sidecars of 0.1.0 reject the listener.
void RemoveHttp10(Listener* listener) {
  ForEachHttpManager(listener, [](HttpConnectionManager* manager) {
    if (!manager->has_http_protocol_options()) return;
    auto* options = manager->mutable_http_protocol_options();
    options->clear_accept_http_10();
    options->clear_default_host_for_http_10();
    if (options->ByteSizeLong() == 0) manager->clear_http_protocol_options();
  });
}

// Sidecars of 0.1.0 reject all routes.
void RemoveTunnels(RouteConfiguration* configuration) {
  for (auto& host : *configuration->mutable_virtual_hosts()) {
    auto* routes = host.mutable_routes();
    routes->erase(
        std::remove_if(routes->begin(), routes->end(),
                       [](const auto& route) { return route.match().has_connect_matcher(); }),
        routes->end());
  }
}

// Sidecars of 0.1.0 reject the listener. Their spans go to the control plane instead.
void RemoveHttpCollectors(Listener* listener) {
  ForEachHttpManager(listener, [](HttpConnectionManager* manager) {
    if (!manager->tracing().has_provider()) return;
    envoy::config::trace::v3::OpenTelemetryConfig config;
    auto* provider = manager->mutable_tracing()->mutable_provider();
    if (provider->typed_config().UnpackTo(&config) && config.has_grpc_service()) return;
    SetProviderOfControlPlane(provider);
  });
}

// Sidecars of 0.1.0 do not read it, but a chain that has changed closes its idle connections.
void RemoveOwnTracing(Listener* listener) {
  ForEachChain(listener, [](FilterChain* chain) {
    auto* own = chain->mutable_metadata()->mutable_filter_metadata();
    const auto found = own->find("tulle");
    if (found != own->end()) {
      found->second.mutable_fields()->erase("tracing");
      if (found->second.fields().empty()) own->erase(found);
    }
    if (own->empty()) chain->clear_metadata();
  });
}

// Sidecars of 0.1.0 reject the listener. They log what failed, as without a policy.
void RemoveLogCollectors(Listener* listener) {
  const auto remove = [](auto* proxy) {
    auto* logs = proxy->mutable_access_log();
    logs->erase(std::remove_if(logs->begin(), logs->end(),
                               [](const auto& log) {
                                 return log.typed_config().template Is<OpenTelemetryLog>();
                               }),
                logs->end());
  };
  ForEachFilter<HttpConnectionManager>(listener, remove);
  ForEachFilter<TcpProxy>(listener, remove);
}

// One of the two.
struct Row {
  std::string_view feature;
  void (*from_listener)(Listener* listener) = nullptr;
  void (*from_routes)(RouteConfiguration* configuration) = nullptr;
};

constexpr Row kRows[] = {{xds::kAcceptHttp10Feature, RemoveHttp10},
                         {xds::kConnectMatcherFeature, nullptr, RemoveTunnels},
                         {xds::kHttpCollectorsFeature, RemoveHttpCollectors},
                         {xds::kOwnTracingFeature, RemoveOwnTracing},
                         {xds::kLogCollectorsFeature, RemoveLogCollectors}};

static_assert(std::size(kRows) == xds::kFieldFeatures.size());

bool MayDiffer(std::string_view type_url) {
  return type_url == kListenerType || type_url == kRouteType;
}

// False: the resource cannot be parsed, or nothing is removed from this type.
template <typename Message>
bool RemoveFrom(const xds::Resource& whole, LackingFeatures lacking, void (*Row::*remove)(Message*),
                ResourceTable* without) {
  bool is_any = false;
  for (size_t i = 0; i < std::size(kRows); ++i)
    is_any |= (lacking >> i & 1) != 0 && kRows[i].*remove != nullptr;
  Message message;
  if (!is_any || !message.ParseFromString(whole.bytes)) return false;
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if ((lacking >> i & 1) != 0 && kRows[i].*remove != nullptr) (kRows[i].*remove)(&message);
  }
  AddResource("", message, without, whole.by_name_only);
  return true;
}

// The whole one if nothing was removed from it.
const std::shared_ptr<const xds::Resource>& Either(
    const std::shared_ptr<const xds::Resource>& whole,
    const std::shared_ptr<const xds::Resource>& without) {
  return whole->version == without->version ? whole : without;
}

}  // namespace

LackingFeatures FeaturesLackingIn(const envoy::config::core::v3::Node& node) {
  if (node.user_agent_name() != "tulle") return 0;
  LackingFeatures lacking = 0;
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const auto& named = node.client_features();
    if (std::find(named.begin(), named.end(), kRows[i].feature) == named.end())
      lacking |= LackingFeatures{1} << i;
  }
  return lacking;
}

std::shared_ptr<const xds::Resource> OlderResources::Without(
    LackingFeatures lacking, std::string_view type_url,
    const std::shared_ptr<const xds::Resource>& resource) {
  if (resource == nullptr || !MayDiffer(type_url)) return resource;
  const Key key{lacking, resource->version};
  if (const auto known = kept_.find(key); known != kept_.end())
    return Either(resource, known->second);
  ResourceTable table;
  const bool is_made = type_url == kListenerType
                           ? RemoveFrom(*resource, lacking, &Row::from_listener, &table)
                           : RemoveFrom(*resource, lacking, &Row::from_routes, &table);
  if (!is_made) return resource;
  if (kept_.size() >= kMostKept) kept_.clear();
  return Either(resource, kept_[key] = table.at(""));
}

xds::View::Found OlderView::Find(std::string_view type_url, std::string_view name) const {
  Found found = whole_->Find(type_url, name);
  found.resource = resources_.Without(lacking_, type_url, found.resource);
  return found;
}

void OlderView::ForEach(std::string_view type_url, const Visit& visit) const {
  if (!MayDiffer(type_url)) return whole_->ForEach(type_url, visit);
  whole_->ForEach(type_url, [&](const std::string& name, const xds::Resource& resource) {
    // Not owned: lives as long as the visit.
    const std::shared_ptr<const xds::Resource> whole(std::shared_ptr<void>(), &resource);
    visit(name, *resources_.Without(lacking_, type_url, whole));
  });
}

}  // namespace tulle::snapshot
