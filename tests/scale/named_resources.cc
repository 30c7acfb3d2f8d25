#include "tests/scale/named_resources.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::scale {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::RouteConfiguration;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

template <typename Message>
Message Parsed(std::string_view bytes) {
  Message message;
  message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return message;
}

void ReadRoutes(const RouteConfiguration& configuration, NamedResources* named) {
  for (const auto& host : configuration.virtual_hosts()) {
    for (const auto& route : host.routes()) {
      const auto& action = route.route();
      if (!action.cluster().empty()) named->clusters.insert(action.cluster());
      for (const auto& weighted : action.weighted_clusters().clusters()) {
        named->clusters.insert(weighted.name());
      }
      for (const auto& mirror : action.request_mirror_policies()) {
        named->clusters.insert(mirror.cluster());
      }
    }
  }
}

void ReadChain(const FilterChain& chain, NamedResources* named) {
  for (const auto& filter : chain.filters()) {
    HttpConnectionManager http;
    TcpProxy tcp;
    if (filter.typed_config().UnpackTo(&http)) {
      if (http.has_rds()) named->routes.insert(http.rds().route_config_name());
      ReadRoutes(http.route_config(), named);
    } else if (filter.typed_config().UnpackTo(&tcp)) {
      if (!tcp.cluster().empty()) named->clusters.insert(tcp.cluster());
      for (const auto& weighted : tcp.weighted_clusters().clusters()) {
        named->clusters.insert(weighted.name());
      }
    }
  }
}

}  // namespace

NamedResources ReadNamedResources(std::string_view type_url, std::string_view bytes) {
  NamedResources named;
  if (type_url == xds::kListenerType) {
    const auto listener = Parsed<Listener>(bytes);
    for (const FilterChain& chain : listener.filter_chains()) ReadChain(chain, &named);
    ReadChain(listener.default_filter_chain(), &named);
  } else if (type_url == xds::kRouteType) {
    ReadRoutes(Parsed<RouteConfiguration>(bytes), &named);
  } else if (type_url == xds::kClusterType) {
    const auto cluster = Parsed<Cluster>(bytes);
    const std::string& service = cluster.eds_cluster_config().service_name();
    if (cluster.type() == Cluster::EDS)
      named.endpoints.insert(service.empty() ? cluster.name() : service);
  }
  return named;
}

std::shared_ptr<const NamedResources> NamedResourcesCache::Of(
    std::string_view type_url, const xds::ReceivedResource& resource) {
  const std::string key = absl::StrCat(absl::string_view(type_url.data(), type_url.size()), " ",
                                       resource.name, " ", resource.version);
  auto& known = known_[key];
  if (known == nullptr) {
    known = std::make_shared<const NamedResources>(ReadNamedResources(type_url, resource.bytes));
  }
  return known;
}

}  // namespace tulle::scale
