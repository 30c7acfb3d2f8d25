// Converts clusters.
#include "sidecar/config/cluster_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "sidecar/config/balancing_config.h"
#include "sidecar/config/health_check_config.h"

namespace tulle::config {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

constexpr char kHttpOptions[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

bool IsHostName(std::string_view text) {
  const auto is_of_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), is_of_name);
}

// The mesh's own names are resolved by its control plane only, whatever a DNS server answers.
bool IsOfMesh(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "cluster.local" || host.ends_with(".cluster.local");
}

absl::Status CheckDnsNames(const cluster_v3::Cluster& cluster, const FieldPath& at) {
  int names = 0;
  for (const auto& locality : cluster.load_assignment().endpoints()) {
    for (const auto& endpoint : locality.lb_endpoints()) {
      const std::string& host = endpoint.endpoint().address().socket_address().address();
      if (!IsHostName(host) && !SocketAddress::Parse(host, 0)) {
        return at.Error(absl::StrCat("\"", host, "\" is not a valid host name or address"));
      }
      if (IsOfMesh(host)) {
        return at.Error(absl::StrCat(host,
                                     " is a name of the mesh, which is not resolved by DNS: use "
                                     "type EDS"));
      }
      ++names;
    }
  }
  if (names == 0) return at.Error("needs an endpoint with a host name");
  if (names > 1 && cluster.type() == cluster_v3::Cluster::LOGICAL_DNS) {
    return at.Error("has several names: LOGICAL_DNS allows one, STRICT_DNS any number");
  }
  return absl::OkStatus();
}

absl::Status ReadDns(const cluster_v3::Cluster& cluster, const FieldPath& at,
                     upstream::ClusterSpec& spec) {
  const absl::Status names = CheckDnsNames(cluster, at / "load_assignment");
  if (!names.ok()) return names;
  upstream::DnsSpec dns;
  dns.is_logical = cluster.type() == cluster_v3::Cluster::LOGICAL_DNS;
  TULLE_READ_MILLISECONDS(cluster, dns_refresh_rate, at, dns.refresh);
  if (dns.refresh.count() == 0) return (at / "dns_refresh_rate").Error("must be greater than 0");
  dns.respect_ttl = cluster.respect_dns_ttl();
  dns.family = static_cast<upstream::DnsFamily>(cluster.dns_lookup_family());
  dns.endpoints_name = absl::StrCat(upstream::kDnsPrefix, cluster.name());
  dns.assignment = DeterministicBytes(cluster.load_assignment());
  spec.uses_eds = true;
  spec.eds_name = dns.endpoints_name;
  spec.dns = std::make_shared<const upstream::DnsSpec>(std::move(dns));
  return absl::OkStatus();
}

absl::Status ReadDiscovery(const cluster_v3::Cluster& cluster, const FieldPath& at,
                           upstream::ClusterSpec& spec) {
  switch (cluster.type()) {
    case cluster_v3::Cluster::STATIC: {
      if (!cluster.has_load_assignment()) {
        return (at / "load_assignment").Error("is required for a STATIC cluster");
      }
      auto endpoints = ToEndpoints(cluster.load_assignment(), at / "load_assignment");
      if (!endpoints.ok()) return endpoints.status();
      spec.static_endpoints = *std::move(endpoints);
      return absl::OkStatus();
    }
    case cluster_v3::Cluster::EDS:
      if (!cluster.has_eds_cluster_config()) {
        return (at / "eds_cluster_config").Error("is required for an EDS cluster");
      }
      if (cluster.has_load_assignment()) {
        return (at / "load_assignment").Error("is not allowed with type EDS: remove it");
      }
      spec.uses_eds = true;
      spec.eds_name = cluster.eds_cluster_config().service_name();
      if (spec.eds_name.empty()) spec.eds_name = cluster.name();
      return absl::OkStatus();
    case cluster_v3::Cluster::ORIGINAL_DST:
      if (cluster.lb_policy() != cluster_v3::Cluster::CLUSTER_PROVIDED) {
        return (at / "lb_policy").Error("must be CLUSTER_PROVIDED with type ORIGINAL_DST");
      }
      if (cluster.has_load_assignment()) {
        return (at / "load_assignment").Error("is not allowed with type ORIGINAL_DST: remove it");
      }
      spec.original_destination = true;
      return absl::OkStatus();
    case cluster_v3::Cluster::STRICT_DNS:
    case cluster_v3::Cluster::LOGICAL_DNS:
      return ReadDns(cluster, at, spec);
    default:
      return (at / "type")
          .Error(absl::StrCat(cluster_v3::Cluster::DiscoveryType_Name(cluster.type()),
                              " is not implemented: use STATIC with addresses, or EDS"));
  }
}

void ReadCaps(const cluster_v3::CircuitBreakers& breakers, upstream::Caps& caps) {
  for (const auto& threshold : breakers.thresholds()) {
    if (threshold.priority() != core::DEFAULT) continue;
    if (threshold.has_max_connections()) caps.connections = threshold.max_connections().value();
    if (threshold.has_max_pending_requests()) {
      caps.pending_requests = threshold.max_pending_requests().value();
    }
    if (threshold.has_max_requests()) caps.requests = threshold.max_requests().value();
    if (threshold.has_max_retries()) caps.retries = threshold.max_retries().value();
    if (!threshold.has_retry_budget()) continue;
    caps.has_retry_budget = true;
    const auto& budget = threshold.retry_budget();
    if (budget.has_budget_percent()) caps.budget_percent = budget.budget_percent().value();
    if (budget.has_min_retry_concurrency()) {
      caps.budget_minimum = budget.min_retry_concurrency().value();
    }
  }
}

absl::Status ReadConnections(const core::HttpProtocolOptions& options, const FieldPath& at,
                             upstream::ClusterSpec& spec) {
  TULLE_READ_MILLISECONDS(options, idle_timeout, at, spec.idle_timeout);
  TULLE_READ_MILLISECONDS(options, max_connection_duration, at, spec.max_connection_age);
  if (options.has_max_requests_per_connection()) {
    spec.max_requests_per_connection = options.max_requests_per_connection().value();
  }
  if (options.has_max_stream_duration()) {
    return (at / "max_stream_duration")
        .Error("is not implemented for a cluster: set max_stream_duration of the route");
  }
  if (options.has_max_headers_count()) {
    spec.response_header_count = options.max_headers_count().value();
    if (spec.response_header_count == 0) {
      return (at / "max_headers_count").Error("must be at least 1");
    }
  }
  if (options.has_max_response_headers_kb()) {
    spec.response_head_kib = options.max_response_headers_kb().value();
    if (spec.response_head_kib == 0 || spec.response_head_kib > 8192) {
      return (at / "max_response_headers_kb").Error("must be 1 to 8192");
    }
  }
  return absl::OkStatus();
}

void ReadHttp2(const core::Http2ProtocolOptions& options, upstream::ClusterSpec& spec) {
  if (options.has_max_concurrent_streams()) {
    spec.http2_concurrent_streams = options.max_concurrent_streams().value();
  }
}

absl::Status ReadHttpOptions(const HttpProtocolOptions& options, const FieldPath& at,
                             upstream::ClusterSpec& spec) {
  switch (options.upstream_protocol_options_case()) {
    case HttpProtocolOptions::kExplicitHttpConfig:
      if (options.explicit_http_config().has_http2_protocol_options()) {
        spec.http = upstream::HttpChoice::kHttp2;
        ReadHttp2(options.explicit_http_config().http2_protocol_options(), spec);
      } else if (!options.explicit_http_config().has_http_protocol_options()) {
        return (at / "explicit_http_config")
            .Error("needs http_protocol_options or http2_protocol_options");
      }
      break;
    case HttpProtocolOptions::kUseDownstreamProtocolConfig:
      spec.http = upstream::HttpChoice::kAsDownstream;
      ReadHttp2(options.use_downstream_protocol_config().http2_protocol_options(), spec);
      break;
    default:
      return at.Error(
          "needs explicit_http_config or use_downstream_protocol_config: choosing by "
          "ALPN (auto_config) is not implemented");
  }
  return ReadConnections(options.common_http_protocol_options(),
                         at / "common_http_protocol_options", spec);
}

absl::Status ReadHttp(const cluster_v3::Cluster& cluster, const FieldPath& at,
                      upstream::ClusterSpec& spec) {
  if (cluster.has_max_requests_per_connection()) {
    spec.max_requests_per_connection = cluster.max_requests_per_connection().value();
  }
  if (cluster.has_http2_protocol_options()) {
    spec.http = upstream::HttpChoice::kHttp2;
    ReadHttp2(cluster.http2_protocol_options(), spec);
  }
  auto status = ReadConnections(cluster.common_http_protocol_options(),
                                at / "common_http_protocol_options", spec);
  if (!status.ok()) return status;
  for (const auto& [name, any] : cluster.typed_extension_protocol_options()) {
    const FieldPath here = (at / "typed_extension_protocol_options").Key(name);
    HttpProtocolOptions options;
    if (name != kHttpOptions || !any.UnpackTo(&options)) {
      return here.Error(absl::StrCat("only ", kHttpOptions, " is implemented"));
    }
    if (status = ReadHttpOptions(options, here, spec); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadSocket(std::string name, const core::TransportSocket& socket,
                        upstream::Labels labels, TlsConversion& conversion, const FieldPath& at,
                        upstream::ClusterSpec& spec) {
  auto made =
      ToClientSocket(socket, spec.http == upstream::HttpChoice::kAsDownstream, conversion, at);
  if (!made.ok()) return made.status();
  spec.pool_key = HashOf(name, spec.pool_key ^ made->key);
  spec.transport_sockets.push_back(
      {std::move(name), std::move(labels), std::move(made->tls), std::move(made->tls_http2)});
  return absl::OkStatus();
}

absl::Status ReadSockets(const cluster_v3::Cluster& cluster, TlsConversion& conversion,
                         const FieldPath& at, upstream::ClusterSpec& spec) {
  for (int i = 0; i < cluster.transport_socket_matches_size(); ++i) {
    const auto& match = cluster.transport_socket_matches(i);
    const FieldPath here = (at / "transport_socket_matches")[static_cast<size_t>(i)];
    if (match.name().empty()) return (here / "name").Error("is required");
    upstream::Labels labels;
    for (const auto& [key, value] : match.match().fields()) {
      if (value.kind_case() != google::protobuf::Value::kStringValue) {
        return (here / "match").Key(key).Error("must be a string");
      }
      labels.emplace_back(key, value.string_value());
    }
    std::sort(labels.begin(), labels.end());
    const auto status = ReadSocket(match.name(), match.transport_socket(), std::move(labels),
                                   conversion, here / "transport_socket", spec);
    if (!status.ok()) return status;
  }
  if (!cluster.has_transport_socket()) {
    spec.transport_sockets.push_back({"raw", {}, nullptr, nullptr});
    return absl::OkStatus();
  }
  return ReadSocket("default", cluster.transport_socket(), {}, conversion, at / "transport_socket",
                    spec);
}

void ReadCount(const google::protobuf::UInt32Value& value, bool present, uint32_t& out) {
  if (present) out = value.value();
}

absl::Status ReadBreaker(const cluster_v3::Cluster& cluster, const FieldPath& at,
                         upstream::ClusterSpec& spec) {
  if (!cluster.has_outlier_detection()) return absl::OkStatus();
  const cluster_v3::OutlierDetection& outlier = cluster.outlier_detection();
  const FieldPath here = at / "outlier_detection";
  upstream::BreakerSpec breaker;
  ReadCount(outlier.consecutive_5xx(), outlier.has_consecutive_5xx(), breaker.errors.run);
  ReadCount(outlier.enforcing_consecutive_5xx(), outlier.has_enforcing_consecutive_5xx(),
            breaker.errors.percent);
  ReadCount(outlier.consecutive_gateway_failure(), outlier.has_consecutive_gateway_failure(),
            breaker.gateway_errors.run);
  ReadCount(outlier.enforcing_consecutive_gateway_failure(),
            outlier.has_enforcing_consecutive_gateway_failure(), breaker.gateway_errors.percent);
  ReadCount(outlier.max_ejection_percent(), outlier.has_max_ejection_percent(),
            breaker.max_open_percent);
  TULLE_READ_MILLISECONDS(outlier, base_ejection_time, here, breaker.open_for);
  breaker.max_open_for = std::max(breaker.max_open_for, breaker.open_for);
  TULLE_READ_MILLISECONDS(outlier, max_ejection_time, here, breaker.max_open_for);
  TULLE_READ_MILLISECONDS(outlier, max_ejection_time_jitter, here, breaker.jitter);
  breaker.always_one = outlier.always_eject_one_host().value();
  breaker.split = outlier.split_external_local_origin_errors();
  ReadCount(outlier.consecutive_local_origin_failure(),
            outlier.has_consecutive_local_origin_failure(), breaker.unreachable.run);
  ReadCount(outlier.enforcing_consecutive_local_origin_failure(),
            outlier.has_enforcing_consecutive_local_origin_failure(), breaker.unreachable.percent);
  if (breaker.errors.run == 0) return (here / "consecutive_5xx").Error("must be at least 1");
  if (breaker.gateway_errors.run == 0) {
    return (here / "consecutive_gateway_failure").Error("must be at least 1");
  }
  if (breaker.unreachable.run == 0) {
    return (here / "consecutive_local_origin_failure").Error("must be at least 1");
  }
  if (breaker.open_for.count() == 0)
    return (here / "base_ejection_time").Error("must be greater than 0");
  if (breaker.max_open_for < breaker.open_for) {
    return (here / "max_ejection_time").Error("must be at least base_ejection_time");
  }
  for (const uint32_t percent : {breaker.errors.percent, breaker.gateway_errors.percent,
                                 breaker.unreachable.percent, breaker.max_open_percent}) {
    if (percent > 100) return here.Error("percentage must be at most 100");
  }
  spec.breaker = breaker;
  return absl::OkStatus();
}

absl::Status ReadExtraSource(const core::BindConfig& config, const FieldPath& at,
                             upstream::ClusterSpec& spec) {
  if (config.extra_source_addresses_size() == 0) return absl::OkStatus();
  const FieldPath here = at / "extra_source_addresses";
  if (config.extra_source_addresses_size() > 1) return here.Error("must have at most one entry");
  auto address = ToAddress(config.extra_source_addresses(0).address(), here);
  if (!address.ok()) return address.status();
  if (address->is_v6() == spec.source_address.is_v6()) {
    return here.Error("must be of a different address family than source_address");
  }
  spec.other_source_address = *address;
  return absl::OkStatus();
}

absl::Status ReadBindConfig(const cluster_v3::Cluster& cluster, const FieldPath& at,
                            upstream::ClusterSpec& spec) {
  if (!cluster.upstream_bind_config().has_source_address()) return absl::OkStatus();
  auto address = ToAddress(cluster.upstream_bind_config().source_address(),
                           at / "upstream_bind_config.source_address");
  if (!address.ok()) return address.status();
  spec.source_address = *address;
  return ReadExtraSource(cluster.upstream_bind_config(), at / "upstream_bind_config", spec);
}

// metadata.filter_metadata["tulle"]: settings that have no field in Envoy.
absl::Status ReadTulleMetadata(const cluster_v3::Cluster& cluster, const FieldPath& at,
                               upstream::ClusterSpec& spec) {
  spec.owners = ToOwners(cluster.metadata());
  const auto own = cluster.metadata().filter_metadata().find("tulle");
  if (own == cluster.metadata().filter_metadata().end()) return absl::OkStatus();
  const auto most = own->second.fields().find("max_idle_connections");
  if (most == own->second.fields().end()) return absl::OkStatus();
  const double value = most->second.number_value();
  if (!(value >= 0 && value <= 1e6)) {
    return (at / "metadata.filter_metadata.tulle.max_idle_connections")
        .Error("must be a number from 0 to 1000000");
  }
  spec.max_idle_connections = static_cast<uint32_t>(value);
  return absl::OkStatus();
}

// "outbound|80||web.default.svc.cluster.local" is of service web.default.svc.cluster.local.
std::string ServiceOf(const cluster_v3::Cluster& cluster) {
  const size_t bar = cluster.name().rfind('|');
  return bar == std::string::npos ? cluster.name() : cluster.name().substr(bar + 1);
}

// Everything that decides whether connections of two versions are interchangeable; TLS is added by
// ReadSocket.
uint64_t PoolKey(const cluster_v3::Cluster& cluster) {
  cluster_v3::Cluster rest;
  rest.set_name(cluster.name());
  *rest.mutable_typed_extension_protocol_options() = cluster.typed_extension_protocol_options();
  if (cluster.has_http2_protocol_options()) rest.mutable_http2_protocol_options();
  *rest.mutable_upstream_bind_config() = cluster.upstream_bind_config();
  return HashOf(DeterministicBytes(rest));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const upstream::ClusterSpec>> ToCluster(
    const cluster_v3::Cluster& cluster, TlsConversion& conversion, const FieldPath& at) {
  auto spec = std::make_shared<upstream::ClusterSpec>();
  spec->name = cluster.name();
  if (spec->name.empty()) return (at / "name").Error("is required");
  spec->pool_key = PoolKey(cluster);
  spec->service = ServiceOf(cluster);
  TULLE_READ_MILLISECONDS(cluster, connect_timeout, at, spec->connect_timeout);
  if (spec->connect_timeout.count() == 0)
    return (at / "connect_timeout").Error("must be greater than 0");
  ReadCaps(cluster.circuit_breakers(), spec->caps);
  for (const auto read : {ReadDiscovery, ReadBalancing, ReadHttp, ReadBreaker, ReadHealthChecks,
                          ReadBindConfig, ReadTulleMetadata}) {
    if (auto status = read(cluster, at, *spec); !status.ok()) return status;
  }
  if (auto status = ReadSockets(cluster, conversion, at, *spec); !status.ok()) return status;
  return spec;
}

}  // namespace tulle::config
