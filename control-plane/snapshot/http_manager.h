// The HTTP connection manager that inbound and outbound listeners share. Pure; any thread.
#pragma once

#include <string>

#include "control-plane/snapshot/telemetry.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace tulle::snapshot {

using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

// Limits, timeouts, normalisation, access log and tracing as explicit fields; routes and filters
// are the caller's, the router's last. HTTP/1.0 is served; its requests without Host are for
// `default_host`, and refused if that is empty.
HttpConnectionManager MakeHttpManager(const Telemetry& telemetry, const std::string& stat_prefix,
                                      const std::string& default_host);
void AddHttpFilter(const char* name, const google::protobuf::Message& config,
                   HttpConnectionManager* manager);
void AddRouter(HttpConnectionManager* manager);
void AddNetworkFilter(const char* name, const google::protobuf::Message& config,
                      envoy::config::listener::v3::FilterChain* chain);
// What goes out by the route configuration of that name.
void AddOutboundHttpManager(const Telemetry& telemetry, const std::string& routes,
                            const std::string& default_host,
                            envoy::config::listener::v3::FilterChain* chain);
void AddHttpManager(const Telemetry& telemetry, const HttpConnectionManager& manager,
                    envoy::config::listener::v3::FilterChain* chain);
void AddTcpProxy(const Telemetry& telemetry, const std::string& cluster,
                 envoy::config::listener::v3::FilterChain* chain, bool by_source_ip = false);

}  // namespace tulle::snapshot
