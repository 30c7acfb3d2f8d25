#pragma once

#include <array>
#include <string_view>

namespace tulle::xds {

inline constexpr std::string_view kClusterType =
    "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpointType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr std::string_view kSecretType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
inline constexpr std::string_view kListenerType =
    "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRouteType =
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

// What is added first comes first: make before break.
inline constexpr std::array<std::string_view, 5> kTypesInOrder = {
    kClusterType, kEndpointType, kSecretType, kListenerType, kRouteType};

// Types whose responses state the whole world, and that a client may ask for without names.
constexpr bool HasWildcard(std::string_view type_url) {
  return type_url == kClusterType || type_url == kListenerType;
}
// What sends traffic to clusters: must come after them, and go before them.
constexpr bool NamesClusters(std::string_view type_url) {
  return type_url == kListenerType || type_url == kRouteType;
}

// Node.client_features: the client asks for the listeners of virtual addresses by name when they
// are used; its wildcard means all others.
inline constexpr std::string_view kOnDemandFeature = "tulle.listeners.on_demand";

// Node.client_features: fields of generated resources that sidecars of an earlier version reject.
// Sidecars name all; the control plane sends a field only to those that name it.
inline constexpr std::string_view kAcceptHttp10Feature = "tulle.fields.accept_http_10";
inline constexpr std::string_view kConnectMatcherFeature = "tulle.fields.connect_matcher";
// OpenTelemetryConfig.http_service and ZipkinConfig.
inline constexpr std::string_view kHttpCollectorsFeature = "tulle.fields.http_collectors";
// metadata.filter_metadata.tulle.tracing of filter chains. Without it, the chain stays as it was.
inline constexpr std::string_view kOwnTracingFeature = "tulle.fields.own_tracing";
// OpenTelemetryAccessLogConfig.
inline constexpr std::string_view kLogCollectorsFeature = "tulle.fields.log_collectors";
inline constexpr std::array<std::string_view, 5> kFieldFeatures = {
    kAcceptHttp10Feature, kConnectMatcherFeature, kHttpCollectorsFeature, kOwnTracingFeature,
    kLogCollectorsFeature};

inline constexpr std::string_view kDeltaPath =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
inline constexpr std::string_view kStatePath =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

}  // namespace tulle::xds
