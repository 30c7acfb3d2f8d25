#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"

namespace tulle::tls {
class SecureConnector;
}

// The configuration of a cluster: immutable, shared by workers, created by sidecar/config. Its
// run-time counterpart is Cluster.
namespace tulle::upstream {

using Milliseconds = std::chrono::milliseconds;

// kPeakEwma: of two at random, the one with the lower product of recent latency and load.
enum class Balancing : uint8_t { kRoundRobin, kLeastRequest, kRandom, kRingHash, kPeakEwma };

// HttpProtocolOptions.upstream_protocol_options.
enum class HttpChoice : uint8_t { kHttp1, kHttp2, kAsDownstream };

enum class EndpointHealth : uint8_t { kHealthy, kUnhealthy, kDraining };

using Labels = std::vector<std::pair<std::string, std::string>>;  // sorted by key

// ClusterLoadAssignment.endpoints.lb_endpoints.
struct EndpointSpec {
  SocketAddress address;
  uint32_t weight = 1;
  uint32_t priority = 0;
  EndpointHealth health = EndpointHealth::kHealthy;
  // metadata.filter_metadata["envoy.transport_socket_match"]: what transport_socket_matches are
  // compared with.
  Labels transport_labels;
  // metadata.filter_metadata["tulle"].spiffe_id: if set, the peer must have exactly this identity.
  std::string spiffe_id;
  std::string hostname;
  std::string zone;
  uint32_t locality = 0;  // index of EndpointSet::localities
  // metadata.filter_metadata["envoy.lb"].hash_key: hashed instead of the address.
  std::string hash_key;
  uint16_t health_check_port = 0;  // health_check_config.port_value; 0: that of the address
  bool health_checked = true;      // health_check_config.disable_active_health_check is not set

  bool operator==(const EndpointSpec&) const = default;
};

// One entry of ClusterLoadAssignment.endpoints.
struct LocalitySpec {
  std::string region;
  std::string zone;
  std::string sub_zone;
  uint32_t weight = 0;  // 0: none given, so no traffic if localities are weighted
  uint32_t priority = 0;

  bool operator==(const LocalitySpec&) const = default;
};

// One ClusterLoadAssignment, owned separately from its cluster, so that an EDS change replaces
// nothing else.
struct EndpointSet {
  std::string cluster_name;
  std::vector<EndpointSpec> endpoints;
  std::vector<LocalitySpec> localities;  // empty: one, without a weight
  // policy.overprovisioning_factor: a priority is full while its healthy percentage times this is
  // at least 100.
  uint32_t overprovisioning_percent = 140;
};

// One entry of Cluster.transport_socket_matches, or Cluster.transport_socket (no labels: matches
// everything).
struct TransportSocketSpec {
  std::string name;
  Labels match;
  // Null: plaintext. Rebuilt when a secret changes; not part of a pool's key.
  std::shared_ptr<const tls::SecureConnector> tls;
  // With the same requirements, for clusters whose protocol follows the downstream's: each offers
  // its own ALPN, so that the peer cannot choose the other. Null: `tls`.
  std::shared_ptr<const tls::SecureConnector> tls_http2 = nullptr;
};

// Cluster.circuit_breakers.thresholds of the default priority. Strict: never exceeded.
struct Caps {
  static constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();
  uint32_t connections = 1024;
  uint32_t pending_requests = 1024;
  uint32_t requests = 1024;
  uint32_t retries = 3;
  // retry_budget; if set, `retries` is not used.
  bool has_retry_budget = false;
  double budget_percent = 20;
  uint32_t budget_minimum = 3;
};

// When one detector opens a breaker: after this number of consecutive failures, with this
// probability.
struct Detector {
  uint32_t run = 5;
  uint32_t percent = 0;  // 0: off
};

// Cluster.outlier_detection: the circuit breaker of each endpoint.
struct BreakerSpec {
  Detector errors{5, 100};        // consecutive_5xx: any of them
  Detector gateway_errors{5, 0};  // consecutive_gateway_failure: 502, 503, 504 and no response
  // split_external_local_origin_errors: attempts without an answer do not count for the two above,
  // but those that could not reach the endpoint count for the next one. An answer for which no
  // detector asks is a success. Not more than max_open_percent are left out, whatever their reason.
  bool split = false;
  Detector unreachable{5, 100};  // consecutive_local_origin_failure
  Milliseconds open_for{30000};  // base_ejection_time; doubled after each failed trial
  Milliseconds max_open_for{300000};
  Milliseconds jitter{0};  // random extra time, at most this
  uint32_t max_open_percent = 10;
  bool always_one = false;  // one endpoint may open whatever the percentage
};

// slow_start_config: a new endpoint's weight grows over a window.
struct SlowStart {
  Milliseconds window{0};  // 0: none
  double aggression = 1;
  uint32_t min_weight_percent = 10;
};

// ring_hash_lb_config.
struct RingSpec {
  uint64_t min_size = 1024;
  uint64_t max_size = 8 * 1024 * 1024;
  bool by_hostname = false;  // consistent_hashing_lb_config.use_hostname_for_hashing
};

// The decay time of measured latency, and the initial estimate.
struct PeakEwmaSpec {
  Milliseconds decay{10000};
  Milliseconds first_rtt{30};
};

// HealthCheck.
struct HealthCheckSpec {
  enum class Kind : uint8_t { kHttp, kTcp, kGrpc };
  Kind kind = Kind::kHttp;
  Milliseconds timeout{1000};
  Milliseconds interval{10000};
  Milliseconds unhealthy_interval{0};       // 0: interval
  Milliseconds no_traffic_interval{60000};  // used until the cluster was used by a request
  Milliseconds jitter{0};                   // interval_jitter
  uint32_t jitter_percent = 0;              // interval_jitter_percent
  uint32_t unhealthy_threshold = 3;
  uint32_t healthy_threshold = 1;
  bool reuse_connection = true;
  // HTTP and gRPC.
  std::string host;     // empty: the cluster's name
  std::string path;     // HTTP
  std::string service;  // gRPC; may be empty
  bool http2 = false;
  std::vector<std::pair<uint32_t, uint32_t>> expected_statuses;  // [first, last); empty: 200
  std::vector<std::pair<std::string, std::string>> headers;      // request_headers_to_add
  // TCP: what is sent, and what must be received in this order; both empty: a successful connect is
  // enough.
  std::string send;
  std::vector<std::string> receive;
};

// Cluster.type STRICT_DNS or LOGICAL_DNS: host names instead of addresses.
enum class DnsFamily : uint8_t { kAuto, kV4Only, kV6Only, kV4Preferred, kAll };

inline constexpr char kDnsPrefix[] = "dns|";

struct DnsSpec {
  bool is_logical = false;  // one address at a time
  Milliseconds refresh{5000};
  bool respect_ttl = false;
  DnsFamily family = DnsFamily::kAuto;
  std::string endpoints_name;  // name under which the loader knows the resolved endpoints
  std::string assignment;      // ClusterLoadAssignment with host names

  bool operator==(const DnsSpec&) const = default;
};

struct ClusterSpec {
  std::string name;
  // A hash of everything that decides whether connections of two versions are interchangeable: all
  // except secrets, SAN lists, endpoints and balancing.
  uint64_t pool_key = 0;
  bool uses_eds = false;
  std::string eds_name;  // service_name, or the cluster's name
  Milliseconds connect_timeout{5000};
  Balancing balancing = Balancing::kRoundRobin;
  uint32_t least_request_choices = 2;
  HttpChoice http = HttpChoice::kHttp1;
  Caps caps;
  std::optional<BreakerSpec> breaker;  // else none
  // In order; the first whose labels match the endpoint is used. Never empty: plaintext is an entry
  // with null tls.
  std::vector<TransportSocketSpec> transport_sockets;
  Milliseconds idle_timeout{3600 * 1000};    // common_http_protocol_options.idle_timeout; 0: never
  uint32_t max_requests_per_connection = 0;  // 0: no limit
  Milliseconds max_connection_age{0};        // max_connection_duration; 0: no limit
  uint32_t http2_concurrent_streams = 100;
  // Limits on what an upstream may send. common_http_protocol_options.max_response_headers_kb,
  // max_headers_count.
  uint32_t response_head_kib = 80;
  uint32_t response_header_count = 100;
  // upstream_bind_config.source_address, or unset.
  SocketAddress source_address;
  // Share of healthy endpoints below which all are used (panic); 0: never.
  // common_lb_config.healthy_panic_threshold.
  uint32_t panic_percent = 50;
  // For clusters with inline endpoints.
  std::shared_ptr<const EndpointSet> static_endpoints;
  // Which field of which policy decides, by cause, for explanations. metadata tulle.owners
  std::map<std::string, std::string> owners;
  // For metrics: destination service (host), from metadata or the cluster's name.
  std::string service;
  // ORIGINAL_DST: the endpoint is the downstream's original destination.
  bool original_destination = false;
  // upstream_bind_config.extra_source_addresses: for endpoints of the other address family.
  SocketAddress other_source_address;
  SlowStart slow_start;
  double active_request_bias = 1;  // least request, unequal weights: weight / (active + 1)^bias
  RingSpec ring;
  PeakEwmaSpec ewma;
  bool locality_weighted = false;  // common_lb_config.locality_weighted_lb_config
  bool fail_in_panic = false;      // zone_aware_lb_config.fail_traffic_on_panic
  uint32_t max_idle_connections{std::numeric_limits<uint32_t>::max()};  // metadata tulle
  std::vector<HealthCheckSpec> health_checks;
  // With uses_eds: the endpoints come from DNS, not from the control plane.
  std::shared_ptr<const DnsSpec> dns;
};

}  // namespace tulle::upstream
