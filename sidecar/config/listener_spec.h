#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/socket_address.h"
#include "sidecar/config/collector_spec.h"
#include "sidecar/route/upgrade.h"

namespace tulle::tls {
class SecureAcceptor;
}
namespace tulle::route {
class RouteTable;
}
namespace tulle::policy {
class Authorization;
class FaultInjection;
class LocalRateLimit;
}  // namespace tulle::policy

// The configuration of a listener: immutable, shared by workers, created by SnapshotLoader. Its
// run-time counterpart is sidecar/proxy's ActiveListener.
namespace tulle::config {

using Milliseconds = std::chrono::milliseconds;

// HttpConnectionManager.codec_type.
enum class CodecChoice : uint8_t { kAuto, kHttp1, kHttp2 };

// HttpConnectionManager.forward_client_cert_details.
enum class ClientCertForwarding : uint8_t {
  kSanitize,
  kForwardOnly,
  kAppendForward,
  kSanitizeSet,
  kAlwaysForwardOnly
};

// HttpConnectionManager.path_with_escaped_slashes_action.
enum class EscapedSlashes : uint8_t { kKeep, kReject, kUnescapeAndRedirect, kUnescapeAndForward };

// HttpProtocolOptions.headers_with_underscores_action: how a request with such a header is treated.
enum class UnderscoreAction : uint8_t { kAllow, kRefuseRequest, kDropHeader };

struct LogFilter;  // log_filter.h

// envoy.access_loggers.{stdout,stderr,file,open_telemetry}.
struct AccessLogSpec {
  std::string path;    // "/dev/stdout", "/dev/stderr" or a file
  std::string format;  // of command operators; empty: Envoy's default line
  // If not empty, one JSON object per line: (key, format), in order.
  std::vector<std::pair<std::string, std::string>> json;
  // Not null: log records for it instead of lines. The body is `format` (empty: none) or the list
  // `json`.
  std::shared_ptr<const CollectorSpec> collector{};
  std::vector<std::pair<std::string, std::string>> attributes{};  // of log records
  std::shared_ptr<const LogFilter> filter{};                      // null: all are logged
};

// HttpConnectionManager.tracing: which requests have spans, and where spans are sent.
struct TracingSpec {
  std::shared_ptr<const CollectorSpec> collector;
  // Per million requests: of those with x-client-trace-id, of those without a traceparent, and of
  // both together.
  uint32_t client_sampling = 1000000;
  uint32_t random_sampling = 1000000;
  uint32_t overall_sampling = 1000000;
  bool span_per_attempt = false;                                  // spawn_upstream_span
  uint32_t longest_path = 256;                                    // max_path_tag_length
  std::vector<std::pair<std::string, std::string>> literal_tags;  // custom_tags
  std::vector<std::pair<std::string, std::string>> header_tags;   // tag, request header

  // metadata.filter_metadata.tulle.tracing of the filter chain: what HttpConnectionManager has no
  // fields for. The first two are for requests that are not sampled: which of them are reported at
  // their end.
  bool always_on_error = false;
  Milliseconds slower_than{0};     // 0: none
  uint32_t traces_per_second = 0;  // that begin here, for each worker; 0: no limit

  bool may_report_late() const { return always_on_error || slower_than > Milliseconds(0); }
};

// One envoy.filters.http.local_ratelimit.
struct RateLimitFilter {
  std::string name;  // routes may override the limit by this name
  std::shared_ptr<policy::LocalRateLimit> limit;
};

// HttpConnectionManager, with its HTTP filters mapped onto the fixed phases.
struct HttpSpec {
  std::string stat_prefix;
  CodecChoice codec = CodecChoice::kAuto;
  // Exactly one of the two.
  std::shared_ptr<const route::RouteTable> routes;
  std::string rds_name;

  std::string server_name = "tulle";
  bool normalize_path = true;  // unset means true here: docs/envoy-differences.md
  bool merge_slashes = false;
  EscapedSlashes escaped_slashes = EscapedSlashes::kKeep;
  bool use_remote_address = false;
  bool generate_request_id = true;

  ClientCertForwarding forwarding = ClientCertForwarding::kSanitize;
  bool forward_subject = false;
  bool forward_uri = false;
  bool forward_dns = false;
  bool forward_hash = true;

  // In the order of the filters; deny filters are evaluated first, since every filter must allow.
  std::vector<std::shared_ptr<const policy::Authorization>> authorization;
  std::vector<AccessLogSpec> access_logs;

  bool accepts_http10 = false;   // http_protocol_options.accept_http_10
  std::string http10_authority;  // default_host_for_http_10: without Host; empty: refused
  uint32_t head_kib = 60;
  uint32_t header_count = 100;
  uint32_t http2_concurrent_streams = 100;
  // For durations, 0 means none.
  Milliseconds stream_idle_timeout{5 * 60 * 1000};
  Milliseconds request_headers_timeout{10 * 1000};
  Milliseconds request_timeout{0};           // from the first byte of a request to its end
  Milliseconds idle_timeout{3600 * 1000};    // of a connection without a request
  Milliseconds max_connection_age{0};        // max_connection_duration; then it drains
  Milliseconds drain_timeout{5000};          // HTTP/2: from the notice to the last GOAWAY
  Milliseconds max_stream_duration{0};       // of a request with its response
  uint32_t max_requests_per_connection = 0;  // 0: no limit
  UnderscoreAction underscores = UnderscoreAction::kAllow;

  std::shared_ptr<const TracingSpec> tracing;  // null: headers are forwarded unchanged
  std::vector<RateLimitFilter> rate_limits;
  std::shared_ptr<policy::FaultInjection> fault;  // null: only a route's own
  bool injects_faults = false;                    // the filter is configured; routes may set it
  std::string via;                                // added to Via of requests and responses
  bool preserve_request_id = false;               // preserve_external_request_id
  bool request_id_in_response = false;            // always_set_request_id_in_response
  std::vector<route::UpgradeSpec> upgrades;       // upgrade_configs
};

// envoy.filters.network.tcp_proxy.
struct TcpSpec {
  std::string stat_prefix;
  std::vector<std::pair<std::string, uint32_t>> clusters;  // name, weight; at least one
  Milliseconds idle_timeout{3600 * 1000};
  uint32_t max_connect_attempts = 1;
  std::vector<AccessLogSpec> access_logs;
  bool hash_source_ip = false;  // hash_policy
};

// FilterChainMatch. Empty lists match everything.
struct ChainMatch {
  uint16_t destination_port = 0;
  std::string transport_protocol;  // "", "tls", "raw_buffer"
  std::vector<std::string> application_protocols;
  std::vector<std::string> server_names;  // exact, or "*.suffix"
  std::vector<std::pair<SocketAddress, uint8_t>> source_prefixes;
  std::vector<std::pair<SocketAddress, uint8_t>> destination_prefixes;
};

struct FilterChainSpec {
  std::string name;
  // For metrics: the service that inbound connections are for.
  // metadata.filter_metadata.tulle.service
  std::string service;
  // A hash of the configuration without certificates, roots and allowed names: while it is
  // unchanged, connections of an older version stay open, except those whose peer is no longer
  // accepted.
  uint64_t key = 0;
  // The same without the filters: for which connections the chain is, and what they agree on when
  // they open.
  uint64_t opening_key = 0;
  ChainMatch match;
  // Null: plaintext. Rebuilt when a secret changes.
  std::shared_ptr<const tls::SecureAcceptor> tls;
  // For our own certificate: the URI SAN (By in XFCC) and the expiry in seconds since the epoch.
  // Empty and 0 without TLS.
  std::string own_identity;
  int64_t own_not_after = 0;
  Milliseconds handshake_timeout{10 *
                                 1000};  // transport_socket_connect_timeout; Envoy has no default
  // envoy.filters.network.rbac, before the last filter.
  std::vector<std::shared_ptr<const policy::Authorization>> authorization;
  std::variant<HttpSpec, TcpSpec> proxy;
  // server_names of the listener's other chains: requests for these must not use a TLS connection
  // that was made for a name of this one.
  std::vector<std::string> names_elsewhere{};
};

enum class Direction : uint8_t { kUnspecified, kInbound, kOutbound };

struct ListenerSpec {
  std::string name;
  SocketAddress address;
  Direction direction = Direction::kUnspecified;
  // tls_inspector; required if chains match on the ClientHello
  bool inspect_tls = false;
  Milliseconds inspection_timeout{15 * 1000};  // listener_filters_timeout
  bool continue_on_inspection_timeout = false;
  int backlog = 4096;
  std::vector<std::shared_ptr<const FilterChainSpec>> chains;
  // default_filter_chain, or null.
  std::shared_ptr<const FilterChainSpec> default_chain;
  // http_inspector, if chains match on its result: plaintext HTTP counts as an offer of "http/1.0",
  // "http/1.1" or "h2c".
  bool inspect_http = false;
  // Connections are handed to the listener bound to their original destination, and stay here if
  // there is none. In either case that is the local address from then on. use_original_dst, or the
  // listener filter of that name (which only restores the address: hand_off is false).
  bool restore_destination = false;
  bool hand_off = false;
  bool bind = true;  // bind_to_port; false: reached only from another listener
  // The policy for which plaintext is refused, for logs and metrics.
  // metadata.filter_metadata.tulle.peer_authentication
  std::string peer_authentication;
};

}  // namespace tulle::config
