#include "control-plane/snapshot/http_manager.h"

#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace tulle::snapshot {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRequestHeadersTimeout{10000};
constexpr milliseconds kStreamIdleTimeout{300000};
constexpr milliseconds kConnectionIdleTimeout{3600000};
constexpr uint32_t kMaxRequestHeadersKb = 60;
constexpr uint32_t kMaxHeaders = 100;
constexpr uint32_t kMaxDownstreamStreams = 100;
constexpr uint32_t kTcpConnectAttempts = 3;

}  // namespace

HttpConnectionManager MakeHttpManager(const Telemetry& telemetry, const std::string& stat_prefix,
                                      const std::string& default_host) {
  HttpConnectionManager manager;
  manager.set_codec_type(HttpConnectionManager::AUTO);
  manager.set_stat_prefix(stat_prefix);
  manager.mutable_normalize_path()->set_value(true);
  manager.set_merge_slashes(true);
  manager.set_path_with_escaped_slashes_action(HttpConnectionManager::KEEP_UNCHANGED);
  manager.set_server_header_transformation(HttpConnectionManager::PASS_THROUGH);
  manager.mutable_use_remote_address()->set_value(false);
  manager.mutable_max_request_headers_kb()->set_value(kMaxRequestHeadersKb);
  SetDuration(kRequestHeadersTimeout, manager.mutable_request_headers_timeout());
  SetDuration(kStreamIdleTimeout, manager.mutable_stream_idle_timeout());
  auto* common = manager.mutable_common_http_protocol_options();
  SetDuration(kConnectionIdleTimeout, common->mutable_idle_timeout());
  common->mutable_max_headers_count()->set_value(kMaxHeaders);
  manager.mutable_http_protocol_options()->set_accept_http_10(true);
  manager.mutable_http_protocol_options()->set_default_host_for_http_10(default_host);
  manager.mutable_http2_protocol_options()->mutable_max_concurrent_streams()->set_value(
      kMaxDownstreamStreams);
  manager.add_upgrade_configs()->set_upgrade_type("websocket");
  AddAccessLog(telemetry, manager.mutable_access_log());
  SetTracing(telemetry, &manager);
  return manager;
}

void AddHttpFilter(const char* name, const google::protobuf::Message& config,
                   HttpConnectionManager* manager) {
  auto* filter = manager->add_http_filters();
  filter->set_name(name);
  Pack(config, filter->mutable_typed_config());
}

void AddRouter(HttpConnectionManager* manager) {
  AddHttpFilter("envoy.filters.http.router", envoy::extensions::filters::http::router::v3::Router(),
                manager);
}

void AddNetworkFilter(const char* name, const google::protobuf::Message& config,
                      envoy::config::listener::v3::FilterChain* chain) {
  auto* filter = chain->add_filters();
  filter->set_name(name);
  Pack(config, filter->mutable_typed_config());
}

void AddHttpManager(const Telemetry& telemetry, const HttpConnectionManager& manager,
                    envoy::config::listener::v3::FilterChain* chain) {
  AddNetworkFilter("envoy.filters.network.http_connection_manager", manager, chain);
  SetOwnTracing(telemetry, chain);
}

void AddOutboundHttpManager(const Telemetry& telemetry, const std::string& routes,
                            const std::string& default_host,
                            envoy::config::listener::v3::FilterChain* chain) {
  HttpConnectionManager manager = MakeHttpManager(telemetry, routes, default_host);
  manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE);
  manager.mutable_rds()->set_route_config_name(routes);
  SetAds(manager.mutable_rds()->mutable_config_source());
  AddRouter(&manager);
  AddHttpManager(telemetry, manager, chain);
}

void AddTcpProxy(const Telemetry& telemetry, const std::string& cluster,
                 envoy::config::listener::v3::FilterChain* chain, bool by_source_ip) {
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(cluster);
  proxy.set_cluster(cluster);
  proxy.mutable_max_connect_attempts()->set_value(kTcpConnectAttempts);
  SetDuration(kConnectionIdleTimeout, proxy.mutable_idle_timeout());
  if (by_source_ip) proxy.add_hash_policy()->mutable_source_ip();
  AddAccessLog(telemetry, proxy.mutable_access_log());
  AddNetworkFilter("envoy.filters.network.tcp_proxy", proxy, chain);
}

}  // namespace tulle::snapshot
