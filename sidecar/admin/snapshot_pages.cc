// Formats a snapshot as text, as JSON and as metrics.
#include "sidecar/admin/snapshot_pages.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "sidecar/config/listener_spec.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/retry_cap.h"
#include "telemetry/families.h"

namespace tulle::admin {
namespace {

using Json = nlohmann::ordered_json;

std::string_view Name(upstream::EndpointHealth health) {
  switch (health) {
    case upstream::EndpointHealth::kHealthy:
      return "healthy";
    case upstream::EndpointHealth::kUnhealthy:
      return "unhealthy";
    case upstream::EndpointHealth::kDraining:
      return "draining";
  }
  return "unknown";
}

std::string_view Name(upstream::Balancing balancing) {
  switch (balancing) {
    case upstream::Balancing::kRoundRobin:
      return "ROUND_ROBIN";
    case upstream::Balancing::kLeastRequest:
      return "LEAST_REQUEST";
    case upstream::Balancing::kRandom:
      return "RANDOM";
    case upstream::Balancing::kRingHash:
      return "RING_HASH";
    case upstream::Balancing::kPeakEwma:
      return "PEAK_EWMA";
  }
  return "unknown";
}

std::string_view Name(config::Direction direction) {
  switch (direction) {
    case config::Direction::kUnspecified:
      return "UNSPECIFIED";
    case config::Direction::kInbound:
      return "INBOUND";
    case config::Direction::kOutbound:
      return "OUTBOUND";
  }
  return "unknown";
}

// Null: EDS has not answered.
const upstream::EndpointSet* EndpointsOf(const config::Snapshot& snapshot,
                                         const upstream::ClusterSpec& cluster) {
  if (!cluster.uses_eds) return cluster.static_endpoints.get();
  const auto found = snapshot.endpoints.find(cluster.eds_name);
  return found == snapshot.endpoints.end() ? nullptr : found->second.get();
}

// What is in force now. A cluster that no worker knows yet has no requests.
uint32_t MostRetries(const upstream::ClusterSpec& cluster, const LimitsByCluster& limits) {
  const upstream::Caps& caps = cluster.caps;
  const auto found = limits.find(cluster.name);
  if (found != limits.end()) return upstream::RetryCap(caps, *found->second);
  return caps.has_retry_budget ? caps.budget_minimum : caps.retries;
}

// Envoy's health flags: from the configuration, then from health checks and breakers.
using HealthFlags = std::map<SocketAddress, std::string>;

HealthFlags FlagsOf(const upstream::ClusterSpec& cluster, const LimitsByCluster& limits) {
  HealthFlags flags;
  const auto found = limits.find(cluster.name);
  if (found == limits.end()) return flags;
  found->second->endpoints.ForEach(
      [&](const SocketAddress& address, const upstream::SharedEndpoint& one) {
        std::string& text = flags[address];
        if (!cluster.health_checks.empty() && one.checked == upstream::CheckedHealth::kBad)
          text += "/failed_active_hc";
        if (cluster.breaker && one.breaker.state() != upstream::BreakerState::kClosed)
          text += "/failed_outlier_check";
      });
  return flags;
}

std::string HealthOf(const upstream::EndpointSpec& endpoint, const HealthFlags& flags) {
  const auto found = flags.find(endpoint.address);
  const std::string more = found == flags.end() ? "" : found->second;
  if (endpoint.health == upstream::EndpointHealth::kHealthy && !more.empty()) return more;
  return std::string(Name(endpoint.health)) + more;
}

Json EndpointJson(const upstream::EndpointSpec& endpoint, const HealthFlags& flags) {
  Json json = {{"address", endpoint.address.ToString()},
               {"health", HealthOf(endpoint, flags)},
               {"weight", endpoint.weight},
               {"priority", endpoint.priority}};
  if (!endpoint.spiffe_id.empty()) json["spiffe_id"] = endpoint.spiffe_id;
  if (!endpoint.hostname.empty()) json["hostname"] = endpoint.hostname;
  if (!endpoint.zone.empty()) json["zone"] = endpoint.zone;
  return json;
}

const char* TypeName(const upstream::ClusterSpec& cluster) {
  if (cluster.dns != nullptr) return cluster.dns->is_logical ? "LOGICAL_DNS" : "STRICT_DNS";
  if (cluster.original_destination) return "ORIGINAL_DST";
  return cluster.uses_eds ? "EDS" : "STATIC";
}

Json ClusterJson(const config::Snapshot& snapshot, const upstream::ClusterSpec& cluster,
                 const LimitsByCluster& limits) {
  Json sockets = Json::array();
  for (const upstream::TransportSocketSpec& socket : cluster.transport_sockets) {
    Json match = Json::object();
    for (const auto& [key, value] : socket.match) match[key] = value;
    sockets.push_back({{"name", socket.name}, {"tls", socket.tls != nullptr}, {"match", match}});
  }
  const upstream::EndpointSet* endpoints = EndpointsOf(snapshot, cluster);
  Json hosts = Json::array();
  if (endpoints != nullptr) {
    const HealthFlags flags = FlagsOf(cluster, limits);
    for (const auto& endpoint : endpoints->endpoints)
      hosts.push_back(EndpointJson(endpoint, flags));
  }
  return {{"name", cluster.name},
          {"service", cluster.service},
          {"type", TypeName(cluster)},
          {"warm", endpoints != nullptr},
          {"lb_policy", Name(cluster.balancing)},
          {"connect_timeout_ms", cluster.connect_timeout.count()},
          {"max_connections", cluster.caps.connections},
          {"max_pending_requests", cluster.caps.pending_requests},
          {"max_requests", cluster.caps.requests},
          {"max_retries", MostRetries(cluster, limits)},
          {"transport_sockets", std::move(sockets)},
          {"endpoints", std::move(hosts)}};
}

Json ChainJson(const config::FilterChainSpec& chain) {
  Json json = {{"name", chain.name},
               {"transport_protocol", chain.match.transport_protocol},
               {"application_protocols", chain.match.application_protocols},
               {"server_names", chain.match.server_names},
               {"tls", chain.tls != nullptr},
               {"identity", chain.own_identity}};
  if (const auto* http = std::get_if<config::HttpSpec>(&chain.proxy)) {
    json["http"] = {{"stat_prefix", http->stat_prefix},
                    {"route_config", http->routes != nullptr ? "inline" : http->rds_name},
                    {"authorization_filters", http->authorization.size()}};
  } else {
    Json clusters = Json::array();
    for (const auto& [name, weight] : std::get<config::TcpSpec>(chain.proxy).clusters) {
      clusters.push_back({{"name", name}, {"weight", weight}});
    }
    json["tcp"] = {{"clusters", std::move(clusters)}};
  }
  return json;
}

Json ListenerJson(const config::ListenerSpec& listener) {
  Json chains = Json::array();
  for (const auto& chain : listener.chains) chains.push_back(ChainJson(*chain));
  if (listener.default_chain != nullptr) chains.push_back(ChainJson(*listener.default_chain));
  return {{"name", listener.name},
          {"local_address", listener.address.ToString()},
          {"direction", Name(listener.direction)},
          {"filter_chains", std::move(chains)}};
}

Json ListenersArray(const config::Snapshot& snapshot) {
  Json listeners = Json::array();
  for (const auto& [name, listener] : snapshot.listeners) {
    listeners.push_back(ListenerJson(*listener));
  }
  return listeners;
}

Json ClustersArray(const config::Snapshot& snapshot, const LimitsByCluster& limits = {}) {
  Json clusters = Json::array();
  for (const auto& [name, cluster] : snapshot.clusters) {
    clusters.push_back(ClusterJson(snapshot, *cluster, limits));
  }
  return clusters;
}

// Names come from configuration and may contain any bytes.
std::string Dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

double NumberOf(upstream::BreakerState state) {
  switch (state) {
    case upstream::BreakerState::kClosed:
      return 0;
    case upstream::BreakerState::kTrial:
      return 1;
    case upstream::BreakerState::kOpen:
      return 2;
  }
  return 0;
}

void ShowLimit(telemetry::Registry& registry, std::string_view cluster, std::string_view limit,
               uint32_t used, uint32_t allowed) {
  const std::string_view used_labels[] = {cluster, limit, "used"};
  const std::string_view allowed_labels[] = {cluster, limit, "allowed"};
  registry.GaugeRow(telemetry::kUpstreamLimit, used_labels).Set(used);
  registry.GaugeRow(telemetry::kUpstreamLimit, allowed_labels).Set(allowed);
}

}  // namespace

std::string ClustersText(const config::Snapshot& snapshot, const LimitsByCluster& limits) {
  std::string text;
  for (const auto& [name, cluster] : snapshot.clusters) {
    const upstream::Caps& caps = cluster->caps;
    const auto line = [&text, start = name + "::"](const std::string& rest) {
      text += start + rest + "\n";
    };
    line("default_priority::max_connections::" + std::to_string(caps.connections));
    line("default_priority::max_pending_requests::" + std::to_string(caps.pending_requests));
    line("default_priority::max_requests::" + std::to_string(caps.requests));
    line("default_priority::max_retries::" + std::to_string(MostRetries(*cluster, limits)));
    const upstream::EndpointSet* endpoints = EndpointsOf(snapshot, *cluster);
    if (endpoints == nullptr) continue;
    const HealthFlags flags = FlagsOf(*cluster, limits);
    for (const upstream::EndpointSpec& endpoint : endpoints->endpoints) {
      const std::string host = endpoint.address.ToString() + "::";
      line(host + "health_flags::" + HealthOf(endpoint, flags));
      line(host + "weight::" + std::to_string(endpoint.weight));
      line(host + "priority::" + std::to_string(endpoint.priority));
    }
  }
  return text;
}

std::string ClustersJson(const config::Snapshot& snapshot, const LimitsByCluster& limits) {
  return Dump({{"cluster_statuses", ClustersArray(snapshot, limits)}});
}

std::string ListenersText(const config::Snapshot& snapshot) {
  std::string text;
  for (const auto& [name, listener] : snapshot.listeners) {
    text += name + "::" + listener->address.ToString() + "\n";
  }
  return text;
}

std::string ListenersJson(const config::Snapshot& snapshot) {
  return Dump({{"listener_statuses", ListenersArray(snapshot)}});
}

std::string SnapshotJson(const config::Snapshot& snapshot) {
  Json routes = Json::array();
  for (const auto& [name, table] : snapshot.routes) routes.push_back(name);
  return Dump({{"listeners", ListenersArray(snapshot)},
               {"route_configs", std::move(routes)},
               {"clusters", ClustersArray(snapshot)}});
}

void ShowLimits(telemetry::Registry& registry, const upstream::ClusterSpec& cluster,
                upstream::ClusterLimits& limits) {
  const upstream::Caps& caps = cluster.caps;
  ShowLimit(registry, cluster.name, "connections", limits.connections.count(), caps.connections);
  ShowLimit(registry, cluster.name, "pending_requests", limits.pending.count(),
            caps.pending_requests);
  ShowLimit(registry, cluster.name, "requests", limits.requests.count(), caps.requests);
  ShowLimit(registry, cluster.name, "retries", limits.retries.count(),
            upstream::RetryCap(caps, limits));
  if (!cluster.breaker && cluster.health_checks.empty()) return;
  limits.endpoints.ForEach([&](const SocketAddress& address, const upstream::SharedEndpoint& one) {
    const std::string endpoint = address.ToString();
    const std::array<std::string_view, 3> labels{cluster.service, cluster.name, endpoint};
    if (cluster.breaker)
      registry.GaugeRow(telemetry::kBreakerState, labels).Set(NumberOf(one.breaker.state()));
    if (!cluster.health_checks.empty() && one.checked != upstream::CheckedHealth::kNotYet) {
      registry.GaugeRow(telemetry::kEndpointChecked, labels)
          .Set(one.checked == upstream::CheckedHealth::kGood ? 1 : 0);
    }
  });
}

}  // namespace tulle::admin
