// How each field of Envoy's API is treated, as a table, and the walk that applies it.
#include "sidecar/config/field_table.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "sidecar/config/field_names_table.h"

namespace tulle::config {
namespace {

namespace pb = google::protobuf;

// The risk of ignoring an unknown field of this message.
enum class IgnoreRisk : uint8_t { kNone, kSecurityOrRouting };

// Field names, separated by blanks; "*" means all fields that are not named elsewhere.
struct Row {
  std::string_view message;
  IgnoreRisk ignore_risk;
  std::string_view implemented;
  std::string_view without_effect;
  std::string_view refused;
};

constexpr IgnoreRisk kLow = IgnoreRisk::kNone;
constexpr IgnoreRisk kHigh = IgnoreRisk::kSecurityOrRouting;

constexpr Row kRows[] = {
    // Bootstrap.
    {"envoy.config.bootstrap.v3.Bootstrap", kLow,
     "node static_resources dynamic_resources admin overload_manager",
     "cluster_manager stats_flush_interval stats_config enable_dispatcher_stats layered_runtime "
     "stats_flush_on_admin",
     ""},
    {"envoy.config.bootstrap.v3.Bootstrap.StaticResources", kLow, "*", "", ""},
    {"envoy.config.bootstrap.v3.Bootstrap.DynamicResources", kLow,
     "lds_config cds_config ads_config", "", "lds_resources_locator cds_resources_locator"},
    {"envoy.config.bootstrap.v3.Admin", kLow, "address",
     "profile_path socket_options access_log ignore_global_conn_limit", "allow_paths"},
    {"envoy.config.overload.v3.OverloadManager", kLow, "resource_monitors", "refresh_interval", ""},
    {"envoy.config.overload.v3.ResourceMonitor", kLow, "*", "", ""},
    {"envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
     kLow, "*", "", ""},
    // Core.
    {"envoy.config.core.v3.Node", kLow, "*", "", ""},
    {"envoy.config.core.v3.Locality", kLow, "*", "", ""},
    {"envoy.config.core.v3.Metadata", kLow, "filter_metadata", "typed_filter_metadata", ""},
    {"envoy.config.core.v3.Address", kLow, "socket_address", "", "pipe envoy_internal_address"},
    {"envoy.config.core.v3.SocketAddress", kLow, "protocol address port_value", "ipv4_compat",
     "named_port resolver_name"},
    {"envoy.config.core.v3.CidrRange", kHigh, "*", "", ""},
    {"envoy.config.core.v3.BindConfig", kLow, "source_address extra_source_addresses",
     "freebind socket_options", ""},
    {"envoy.config.core.v3.ExtraSourceAddress", kLow, "address", "", ""},
    {"envoy.config.core.v3.HeaderValueOption", kLow, "*", "", ""},
    {"envoy.config.core.v3.HeaderValue", kLow, "key value", "", "raw_value"},
    {"envoy.config.core.v3.DataSource", kHigh, "filename inline_bytes inline_string",
     "watched_directory", "environment_variable"},
    {"envoy.config.core.v3.RuntimeFractionalPercent", kLow, "default_value", "runtime_key", ""},
    {"envoy.config.core.v3.RuntimeUInt32", kLow, "default_value", "runtime_key", ""},
    {"envoy.config.core.v3.ConfigSource", kLow, "ads self resource_api_version",
     "initial_fetch_timeout", "api_config_source path_config_source"},
    {"envoy.config.core.v3.AggregatedConfigSource", kLow, "*", "", ""},
    {"envoy.config.core.v3.SelfConfigSource", kLow, "*", "", ""},
    {"envoy.config.core.v3.ApiConfigSource", kLow, "api_type grpc_services transport_api_version",
     "set_node_on_first_message_only rate_limit_settings refresh_delay request_timeout",
     "cluster_names"},
    {"envoy.config.core.v3.GrpcService", kLow, "envoy_grpc initial_metadata", "timeout", ""},
    {"envoy.config.core.v3.GrpcService.EnvoyGrpc", kLow, "*", "", ""},
    {"envoy.config.core.v3.TransportSocket", kHigh, "*", "", ""},
    {"envoy.config.core.v3.TypedExtensionConfig", kLow, "*", "", ""},
    {"envoy.config.core.v3.HttpProtocolOptions", kLow,
     "idle_timeout max_headers_count max_requests_per_connection headers_with_underscores_action "
     "max_stream_duration max_response_headers_kb max_connection_duration",
     "", ""},
    {"envoy.config.core.v3.Http1ProtocolOptions", kLow, "accept_http_10 default_host_for_http_10",
     "allow_absolute_url header_key_format enable_trailers allow_chunked_length "
     "override_stream_error_on_invalid_http_message",
     ""},
    {"envoy.config.core.v3.Http2ProtocolOptions", kLow, "max_concurrent_streams",
     "hpack_table_size initial_stream_window_size initial_connection_window_size "
     "max_outbound_frames max_outbound_control_frames "
     "max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream "
     "max_inbound_window_update_frames_per_data_frame_sent connection_keepalive allow_connect "
     "override_stream_error_on_invalid_http_message",
     ""},
    {"envoy.config.core.v3.SubstitutionFormatString", kLow,
     "text_format json_format text_format_source", "omit_empty_values content_type formatters", ""},
    {"envoy.type.v3.HashPolicy", kLow, "source_ip", "filter_state", ""},
    {"envoy.type.v3.HashPolicy.SourceIp", kLow, "*", "", ""},
    {"envoy.type.v3.FractionalPercent", kLow, "*", "", ""},
    {"envoy.type.v3.Percent", kLow, "*", "", ""},
    {"envoy.type.v3.Int64Range", kHigh, "*", "", ""},
    {"envoy.type.v3.Int32Range", kHigh, "*", "", ""},
    // Matchers.
    {"envoy.type.matcher.v3.StringMatcher", kHigh, "*", "", ""},
    {"envoy.type.matcher.v3.RegexMatcher", kHigh, "*", "", ""},
    {"envoy.type.matcher.v3.RegexMatcher.GoogleRE2", kHigh, "*", "", ""},
    {"envoy.type.matcher.v3.RegexMatchAndSubstitute", kHigh, "*", "", ""},
    {"envoy.type.matcher.v3.PathMatcher", kHigh, "*", "", ""},
    // Listeners.
    {"envoy.config.listener.v3.Listener", kLow,
     "name address filter_chains "
     "listener_filters listener_filters_timeout traffic_direction "
     "continue_on_listener_filters_timeout tcp_backlog_size default_filter_chain "
     "use_original_dst bind_to_port metadata",
     "per_connection_buffer_limit_bytes drain_type connection_balance_config stat_prefix "
     "enable_reuse_port "
     "ignore_global_conn_limit freebind tcp_keepalive socket_options access_log",
     "transparent additional_addresses api_listener"},
    {"envoy.config.listener.v3.ListenerFilter", kLow, "name typed_config", "filter_disabled", ""},
    {"envoy.config.listener.v3.FilterChain", kHigh,
     "filter_chain_match filters transport_socket name transport_socket_connect_timeout "
     "metadata",
     "", ""},
    {"envoy.config.listener.v3.FilterChainMatch", kHigh,
     "prefix_ranges source_prefix_ranges destination_port transport_protocol "
     "application_protocols server_names",
     "", "source_ports source_type direct_source_prefix_ranges"},
    {"envoy.config.listener.v3.Filter", kHigh, "*", "", ""},
    {"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", kLow, "",
     "initial_read_buffer_size", ""},
    {"envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", kLow, "", "*", ""},
    {"envoy.extensions.filters.listener.original_dst.v3.OriginalDst", kLow, "", "", ""},
    // Network filters.
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", kHigh,
     "stat_prefix cluster weighted_clusters access_log max_connect_attempts idle_timeout "
     "hash_policy",
     "", "metadata_match max_downstream_connection_duration on_demand"},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster", kHigh, "*", "", ""},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight", kHigh,
     "name weight", "", "metadata_match"},
    {"envoy.extensions.filters.network.rbac.v3.RBAC", kHigh, "rules shadow_rules",
     "stat_prefix shadow_rules_stat_prefix enforcement_type", ""},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", kLow,
     "codec_type stat_prefix rds route_config http_filters http_protocol_options "
     "http2_protocol_options server_name drain_timeout access_log use_remote_address "
     "generate_request_id forward_client_cert_details set_current_client_cert_details "
     "stream_idle_timeout request_timeout max_request_headers_kb normalize_path merge_slashes "
     "common_http_protocol_options request_id_extension request_headers_timeout "
     "path_with_escaped_slashes_action tracing via preserve_external_request_id "
     "always_set_request_id_in_response upgrade_configs",
     "add_user_agent proxy_100_continue skip_xff_append delayed_close_timeout "
     "server_header_transformation "
     "stream_error_on_invalid_http_message access_log_options internal_address_config "
     "strip_trailing_host_dot append_x_forwarded_port scheme_header_transformation",
     "xff_num_trusted_hops strip_matching_host_port strip_any_host_port "
     "original_ip_detection_extensions"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
     "SetCurrentClientCertDetails",
     kLow, "subject dns uri", "cert chain", ""},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
     "UpgradeConfig",
     kHigh, "upgrade_type enabled", "", "filters"},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing",
     kLow,
     "client_sampling random_sampling overall_sampling max_path_tag_length custom_tags provider "
     "spawn_upstream_span",
     "verbose operation upstream_operation", ""},
    {"envoy.type.tracing.v3.CustomTag", kLow, "*", "", ""},
    {"envoy.type.tracing.v3.CustomTag.Literal", kLow, "*", "", ""},
    {"envoy.type.tracing.v3.CustomTag.Header", kLow, "name", "default_value", ""},
    {"envoy.type.tracing.v3.CustomTag.Environment", kLow, "", "*", ""},
    {"envoy.type.tracing.v3.CustomTag.Metadata", kLow, "", "*", ""},
    {"envoy.config.trace.v3.Tracing.Http", kLow, "*", "", ""},
    {"envoy.config.trace.v3.OpenTelemetryConfig", kLow, "grpc_service service_name http_service",
     "resource_detectors max_cache_size set_telemetry_sdk_resource_attributes "
     "set_service_name_resource_attribute set_instrumentation_scope",
     "sampler"},
    {"envoy.config.trace.v3.ZipkinConfig", kLow,
     "collector_cluster collector_endpoint collector_endpoint_version collector_hostname",
     "trace_id_128bit shared_span_context split_spans_for_request", ""},
    {"envoy.config.core.v3.HttpService", kLow, "*", "formatters", ""},
    {"envoy.config.core.v3.HttpUri", kLow, "uri cluster", "timeout", ""},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", kHigh, "*", "", ""},
    {"envoy.extensions.filters.network.http_connection_manager.v3.Rds", kLow, "*", "", ""},
    {"envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension", kLow, "*",
     "", ""},
    {"envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", kLow, "",
     "pack_trace_reason use_request_id_for_trace_sampling", ""},
    // HTTP filters.
    {"envoy.extensions.filters.http.router.v3.Router", kLow, "", "*", ""},
    {"envoy.extensions.filters.http.rbac.v3.RBAC", kHigh, "rules shadow_rules",
     "shadow_rules_stat_prefix rules_stat_prefix", ""},
    {"envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", kLow, "", "*", ""},
    {"envoy.extensions.filters.http.cors.v3.Cors", kLow, "", "*", ""},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault", kHigh,
     "delay abort headers max_active_faults upstream_cluster", "", "response_rate_limit"},
    {"envoy.extensions.filters.http.fault.v3.FaultAbort", kHigh,
     "http_status percentage header_abort grpc_status", "response_body", ""},
    {"envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort", kLow, "*", "", ""},
    {"envoy.extensions.filters.common.fault.v3.FaultDelay", kHigh, "*", "", ""},
    {"envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay", kLow, "*", "", ""},
    {"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", kHigh,
     "stat_prefix status token_bucket filter_enabled filter_enforced response_headers_to_add "
     "descriptors stage request_headers_to_add_when_not_enforced enable_x_ratelimit_headers "
     "always_consume_default_token_bucket rate_limited_as_resource_exhausted rate_limits "
     "max_dynamic_descriptors enable_retry_after_header",
     "", "local_rate_limit_per_downstream_connection vh_rate_limits"},
    {"envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor", kHigh, "*", "", ""},
    {"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry", kHigh, "*", "", ""},
    {"envoy.type.v3.TokenBucket", kHigh, "*", "", ""},
    {"envoy.type.v3.HttpStatus", kLow, "*", "", ""},
    {"envoy.config.route.v3.RateLimit", kHigh, "stage actions", "", "disable_key"},
    {"envoy.config.route.v3.RateLimit.Action", kHigh,
     "destination_cluster request_headers remote_address generic_key header_value_match extension",
     "", "source_cluster"},
    {"envoy.config.route.v3.RateLimit.Action.DestinationCluster", kLow, "*", "", ""},
    {"envoy.config.route.v3.RateLimit.Action.RequestHeaders", kHigh, "*", "", ""},
    {"envoy.config.route.v3.RateLimit.Action.RemoteAddress", kLow, "*", "", ""},
    {"envoy.config.route.v3.RateLimit.Action.GenericKey", kHigh, "descriptor_value descriptor_key",
     "", "default_value"},
    {"envoy.config.route.v3.RateLimit.Action.HeaderValueMatch", kHigh,
     "descriptor_value expect_match headers descriptor_key", "", "default_value"},
    {"envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", kHigh, "*", "", ""},
    // Authorization.
    {"envoy.config.rbac.v3.RBAC", kHigh, "action policies", "audit_logging_options", ""},
    {"envoy.config.rbac.v3.Policy", kHigh, "*", "", ""},
    {"envoy.config.rbac.v3.Permission", kHigh,
     "and_rules or_rules any header destination_ip destination_port not_rule "
     "requested_server_name url_path destination_port_range",
     "", "metadata"},
    {"envoy.config.rbac.v3.Permission.Set", kHigh, "*", "", ""},
    {"envoy.config.rbac.v3.Principal", kHigh,
     "and_ids or_ids any authenticated source_ip header not_id url_path direct_remote_ip remote_ip",
     "", "metadata filter_state"},
    {"envoy.config.rbac.v3.Principal.Set", kHigh, "*", "", ""},
    {"envoy.config.rbac.v3.Principal.Authenticated", kHigh, "*", "", ""},
    // Routes.
    {"envoy.config.route.v3.RouteConfiguration", kHigh,
     "name virtual_hosts internal_only_headers response_headers_to_add response_headers_to_remove "
     "request_headers_to_add validate_clusters request_headers_to_remove "
     "most_specific_header_mutations_wins ignore_port_in_host_matching typed_per_filter_config",
     "max_direct_response_body_size_bytes request_mirror_policies", ""},
    {"envoy.config.route.v3.VirtualHost", kHigh,
     "name domains routes request_mirror_policies require_tls request_headers_to_add "
     "response_headers_to_add "
     "response_headers_to_remove request_headers_to_remove include_request_attempt_count "
     "include_attempt_count_in_response retry_policy typed_per_filter_config rate_limits",
     "metadata hedge_policy per_request_buffer_limit_bytes "
     "include_is_timeout_retry_header",
     ""},
    {"envoy.config.route.v3.Route", kHigh,
     "match route redirect direct_response name decorator request_headers_to_add "
     "response_headers_to_add response_headers_to_remove request_headers_to_remove "
     "typed_per_filter_config metadata",
     "tracing stat_prefix", "non_forwarding_action"},
    {"envoy.config.route.v3.RouteMatch", kHigh,
     "prefix path safe_regex path_separated_prefix connect_matcher case_sensitive headers "
     "query_parameters grpc runtime_fraction",
     "", "path_match_policy tls_context dynamic_metadata"},
    {"envoy.config.route.v3.RouteMatch.ConnectMatcher", kHigh, "", "", ""},
    {"envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions", kHigh, "*", "", ""},
    {"envoy.config.route.v3.HeaderMatcher", kHigh, "*", "", ""},
    {"envoy.config.route.v3.QueryParameterMatcher", kHigh, "*", "", ""},
    {"envoy.config.route.v3.RouteAction", kHigh,
     "request_mirror_policies cluster weighted_clusters prefix_rewrite host_rewrite_literal "
     "timeout retry_policy "
     "idle_timeout regex_rewrite max_stream_duration append_x_forwarded_host "
     "cluster_not_found_response_code rate_limits hash_policy upgrade_configs",
     "priority hedge_policy internal_redirect_policy flush_timeout max_grpc_timeout",
     "include_vh_rate_limits cluster_header metadata_match auto_host_rewrite host_rewrite_header"},
    {"envoy.config.route.v3.RouteAction.RequestMirrorPolicy", kHigh,
     "cluster runtime_fraction disable_shadow_host_suffix_append host_rewrite_literal",
     "trace_sampled", "cluster_header"},
    {"envoy.config.route.v3.RouteAction.MaxStreamDuration", kLow, "*", "", ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy", kLow,
     "header cookie connection_properties terminal query_parameter", "filter_state", ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy.Header", kLow, "header_name", "regex_rewrite",
     ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy.Cookie", kLow, "*", "", ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute", kLow, "*", "", ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties", kLow, "*", "", ""},
    {"envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter", kLow, "*", "", ""},
    {"envoy.config.route.v3.RouteAction.UpgradeConfig", kHigh,
     "upgrade_type enabled connect_config", "", ""},
    {"envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig", kHigh, "", "", "allow_post"},
    {"envoy.config.route.v3.WeightedCluster", kHigh, "clusters", "runtime_key_prefix",
     "header_name use_hash_policy"},
    {"envoy.config.route.v3.WeightedCluster.ClusterWeight", kHigh,
     "name weight request_headers_to_add response_headers_to_add response_headers_to_remove "
     "request_headers_to_remove typed_per_filter_config host_rewrite_literal",
     "", "cluster_header metadata_match"},
    {"envoy.config.route.v3.RetryPolicy", kLow,
     "retry_on num_retries per_try_timeout retry_host_predicate host_selection_retry_max_attempts "
     "retriable_status_codes retry_back_off retriable_headers retriable_request_headers "
     "per_try_idle_timeout rate_limited_retry_back_off",
     "retry_priority retry_options_predicates", ""},
    {"envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff", kLow, "*", "", ""},
    {"envoy.config.route.v3.RetryPolicy.ResetHeader", kLow, "*", "", ""},
    {"envoy.config.route.v3.RetryPolicy.RetryBackOff", kLow, "*", "", ""},
    {"envoy.config.route.v3.RetryPolicy.RetryHostPredicate", kLow, "*", "", ""},
    {"envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate", kLow, "*", "", ""},
    {"envoy.config.route.v3.RedirectAction", kHigh,
     "host_redirect path_redirect response_code https_redirect prefix_rewrite strip_query "
     "scheme_redirect port_redirect regex_rewrite",
     "", "path_rewrite"},
    {"envoy.config.route.v3.DirectResponseAction", kHigh, "status body", "", "body_format"},
    {"envoy.config.route.v3.Decorator", kLow, "operation", "propagate", ""},
    // Clusters and endpoints.
    {"envoy.config.cluster.v3.Cluster", kHigh,
     "name type eds_cluster_config dns_lookup_family dns_refresh_rate respect_dns_ttl "
     "connect_timeout lb_policy circuit_breakers "
     "http2_protocol_options http_protocol_options common_http_protocol_options "
     "max_requests_per_connection upstream_bind_config transport_socket metadata common_lb_config "
     "load_assignment typed_extension_protocol_options least_request_lb_config "
     "round_robin_lb_config transport_socket_matches load_balancing_policy outlier_detection "
     "ring_hash_lb_config health_checks",
     "per_connection_buffer_limit_bytes "
     "cleanup_interval alt_stat_name upstream_connection_options "
     "close_connections_on_host_health_failure ignore_health_on_host_removal lrs_server "
     "track_cluster_stats wait_for_warm_on_init",
     "cluster_type original_dst_lb_config connection_pool_per_downstream_connection"},
    {"envoy.config.cluster.v3.Cluster.EdsClusterConfig", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.TransportSocketMatch", kHigh, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.LeastRequestLbConfig", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.RoundRobinLbConfig", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.RingHashLbConfig", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.SlowStartConfig", kLow, "*", "", ""},
    {"envoy.config.core.v3.RuntimeDouble", kLow, "default_value", "runtime_key", ""},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig", kLow,
     "healthy_panic_threshold zone_aware_lb_config locality_weighted_lb_config "
     "consistent_hashing_lb_config",
     "update_merge_window ignore_new_hosts_until_first_hc close_connections_on_host_set_change "
     "override_host_status",
     ""},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig", kLow,
     "fail_traffic_on_panic", "routing_enabled min_cluster_size", ""},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig", kLow,
     "use_hostname_for_hashing", "hash_balance_factor", ""},
    {"envoy.config.cluster.v3.OutlierDetection", kLow,
     "consecutive_5xx enforcing_consecutive_5xx consecutive_gateway_failure "
     "enforcing_consecutive_gateway_failure base_ejection_time max_ejection_time "
     "max_ejection_time_jitter max_ejection_percent always_eject_one_host "
     "split_external_local_origin_errors consecutive_local_origin_failure "
     "enforcing_consecutive_local_origin_failure",
     "*", ""},
    {"envoy.config.cluster.v3.CircuitBreakers", kLow, "thresholds", "per_host_thresholds", ""},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds", kLow,
     "priority max_connections max_pending_requests max_requests max_retries retry_budget",
     "track_remaining max_connection_pools", ""},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget", kLow,
     "budget_percent min_retry_concurrency", "budget_interval", ""},
    {"envoy.config.cluster.v3.LoadBalancingPolicy", kLow, "*", "", ""},
    {"envoy.config.cluster.v3.LoadBalancingPolicy.Policy", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig", kLow,
     "fail_traffic_on_panic", "routing_enabled min_cluster_size", ""},
    {"envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig",
     kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig", kLow,
     "use_hostname_for_hashing", "hash_balance_factor", ""},
    {"envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.random.v3.Random", kLow, "*", "", ""},
    {"envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash", kLow,
     "hash_function minimum_ring_size maximum_ring_size use_hostname_for_hashing "
     "consistent_hashing_lb_config locality_weighted_lb_config",
     "hash_balance_factor", ""},
    {"envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma", kLow,
     "decay_time default_rtt", "aggregation_interval max_samples_per_host penalty_value", ""},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions", kLow,
     "common_http_protocol_options explicit_http_config use_downstream_protocol_config auto_config",
     "upstream_http_protocol_options http_filters", ""},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig", kLow, "*", "",
     ""},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig", kLow, "*",
     "", ""},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig", kLow, "*", "", ""},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment", kLow, "cluster_name endpoints policy", "",
     ""},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy", kLow, "overprovisioning_factor",
     "drop_overloads endpoint_stale_after weighted_priority_health", ""},
    {"envoy.config.endpoint.v3.LocalityLbEndpoints", kLow,
     "locality lb_endpoints load_balancing_weight priority", "metadata", ""},
    {"envoy.config.endpoint.v3.LbEndpoint", kHigh,
     "endpoint health_status metadata load_balancing_weight", "", "endpoint_name"},
    {"envoy.config.endpoint.v3.Endpoint", kLow, "address hostname health_check_config",
     "additional_addresses", ""},
    {"envoy.config.endpoint.v3.Endpoint.HealthCheckConfig", kLow,
     "port_value disable_active_health_check", "hostname", "address"},
    {"envoy.config.core.v3.HealthCheck", kLow,
     "timeout interval interval_jitter unhealthy_threshold healthy_threshold reuse_connection "
     "http_health_check tcp_health_check grpc_health_check no_traffic_interval unhealthy_interval",
     "alt_port unhealthy_edge_interval healthy_edge_interval always_log_health_check_failures "
     "initial_jitter no_traffic_healthy_interval event_logger",
     ""},
    {"envoy.config.core.v3.HealthCheck.HttpHealthCheck", kLow,
     "host path request_headers_to_add expected_statuses",
     "request_headers_to_remove service_name_matcher retriable_statuses method", ""},
    {"envoy.config.core.v3.HealthCheck.TcpHealthCheck", kLow, "*", "", ""},
    {"envoy.config.core.v3.HealthCheck.Payload", kLow, "*", "", ""},
    {"envoy.config.core.v3.HealthCheck.GrpcHealthCheck", kLow, "*", "", ""},
    // TLS and secrets.
    {"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", kHigh,
     "common_tls_context sni", "max_session_keys",
     "allow_renegotiation auto_host_sni auto_sni_san_validation"},
    {"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", kHigh,
     "common_tls_context require_client_certificate",
     "session_timeout full_scan_certs_on_sni_mismatch disable_stateless_session_resumption "
     "disable_stateful_session_resumption",
     "require_sni session_ticket_keys session_ticket_keys_sds_secret_config"},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext", kHigh,
     "tls_params tls_certificates validation_context alpn_protocols "
     "tls_certificate_sds_secret_configs validation_context_sds_secret_config "
     "combined_validation_context",
     "", "custom_handshaker tls_certificate_provider_instance"},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext."
     "CombinedCertificateValidationContext",
     kHigh, "*", "", ""},
    {"envoy.extensions.transport_sockets.tls.v3.TlsParameters", kHigh,
     "tls_minimum_protocol_version tls_maximum_protocol_version",
     "cipher_suites ecdh_curves signature_algorithms", ""},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate", kHigh,
     "certificate_chain private_key", "watched_directory", "password pkcs12 ocsp_staple"},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", kHigh,
     "trusted_ca crl match_typed_subject_alt_names match_subject_alt_names", "watched_directory",
     "verify_certificate_hash verify_certificate_spki allow_expired_certificate "
     "trust_chain_verification custom_validator_config ca_certificate_provider_instance "
     "only_verify_leaf_cert_crl system_root_certs max_verify_depth"},
    {"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", kHigh, "san_type matcher",
     "", "oid"},
    {"envoy.extensions.transport_sockets.tls.v3.Secret", kHigh,
     "name tls_certificate validation_context", "", "session_ticket_keys generic_secret"},
    {"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig", kHigh, "*", "", ""},
    {"envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", kHigh, "*", "", ""},
    // Access logs.
    {"envoy.config.accesslog.v3.AccessLog", kLow, "name typed_config filter", "", ""},
    {"envoy.config.accesslog.v3.AccessLogFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.StatusCodeFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.DurationFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.ComparisonFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.NotHealthCheckFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.TraceableFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.RuntimeFilter", kLow, "percent_sampled",
     "runtime_key use_independent_randomness", ""},
    {"envoy.config.accesslog.v3.AndFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.OrFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.HeaderFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.ResponseFlagFilter", kLow, "*", "", ""},
    {"envoy.config.accesslog.v3.GrpcStatusFilter", kLow, "*", "", ""},
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog", kLow, "*", "", ""},
    {"envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", kLow, "*", "", ""},
    {"envoy.extensions.access_loggers.stream.v3.StderrAccessLog", kLow, "*", "", ""},
    {"envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig", kLow,
     "common_config grpc_service http_service body attributes resource_attributes",
     "disable_builtin_labels stat_prefix log_name buffer_flush_interval buffer_size_bytes "
     "formatters filter_state_objects_to_log custom_tags resource_detectors",
     ""},
    {"envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig", kLow, "grpc_service", "*",
     ""},
    {"opentelemetry.proto.common.v1.AnyValue", kLow, "*", "", ""},
    {"opentelemetry.proto.common.v1.ArrayValue", kLow, "*", "", ""},
    {"opentelemetry.proto.common.v1.KeyValueList", kLow, "*", "", ""},
    {"opentelemetry.proto.common.v1.KeyValue", kLow, "*", "", ""},
};

bool Lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const size_t blank = names.find(' ');
    if (names.substr(0, blank) == name) return true;
    names = blank == std::string_view::npos ? std::string_view() : names.substr(blank + 1);
  }
  return false;
}

enum class Use : uint8_t { kImplemented, kWithoutEffect, kRefused, kUnlisted };

Use UseOf(const Row& row, std::string_view field) {
  if (Lists(row.implemented, field)) return Use::kImplemented;
  if (Lists(row.without_effect, field)) return Use::kWithoutEffect;
  if (Lists(row.refused, field)) return Use::kRefused;
  if (row.implemented == "*") return Use::kImplemented;
  if (Lists(row.without_effect, "*")) return Use::kWithoutEffect;
  return Use::kUnlisted;
}

const Row* FindRow(std::string_view message) {
  for (const Row& row : kRows) {
    if (row.message == message) return &row;
  }
  return nullptr;
}

class Walk {
 public:
  Walk(Origin origin, std::vector<std::string>* without_effect)
      : origin_(origin), without_effect_(without_effect) {}

  absl::Status Check(const pb::Message& message, const FieldPath& at) {
    if (++depth_ > kMaxDepth) return at.Error("nested too deeply: at most 100 levels are read");
    const absl::Status status = CheckMessage(message, at);
    --depth_;
    return status;
  }

 private:
  static constexpr int kMaxDepth = 100;

  absl::Status CheckMessage(const pb::Message& message, const FieldPath& at) {
    const pb::Descriptor& type = *message.GetDescriptor();
    if (type.full_name() == "google.protobuf.Any") {
      return CheckAny(static_cast<const pb::Any&>(message), at);
    }
    if (std::string_view(type.file()->package()) == "google.protobuf") return absl::OkStatus();
    const Row* row = RowOf(type);
    const pb::Reflection& reflection = *message.GetReflection();
    const pb::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
    for (int i = 0; i < unknown.field_count(); ++i) {
      if (i > 0 && unknown.field(i).number() == unknown.field(i - 1).number()) continue;
      const auto status = OmittedFieldAt(type, unknown.field(i).number(), row, at);
      if (!status.ok()) return status;
    }
    std::vector<const pb::FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const pb::FieldDescriptor* field : fields) {
      const auto status = CheckField(message, *field, row, at / field->name());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckAny(const pb::Any& any, const FieldPath& at) {
    const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
    const pb::Descriptor* type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    if (type == nullptr) {
      return at.Error(
          absl::StrCat("the type '", any.type_url(), "' is not implemented: remove the extension"));
    }
    std::unique_ptr<pb::Message> payload(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!payload->ParseFromString(any.value())) {
      return at.Error(absl::StrCat("invalid content: not a ", name));
    }
    return Check(*payload, at);
  }

  absl::Status CheckField(const pb::Message& message, const pb::FieldDescriptor& field,
                          const Row* row, const FieldPath& at) {
    switch (row == nullptr ? Use::kUnlisted : UseOf(*row, field.name())) {
      case Use::kImplemented:
        return Descend(message, field, at);
      case Use::kWithoutEffect:
        without_effect_->push_back(at.text());
        return absl::OkStatus();
      case Use::kRefused:
        return at.Error(
            "is not implemented, and ignoring it would change how traffic is treated: "
            "remove it");
      case Use::kUnlisted:
        break;
    }
    return UnknownField(row != nullptr && row->ignore_risk == kHigh, at);
  }

  // By its name, also if our protos leave it out; by its number if Envoy has added it since.
  absl::Status OmittedFieldAt(const pb::Descriptor& type, int number, const Row* row,
                              const FieldPath& at) {
    const OmittedField field = FindOmitted(type.full_name(), number);
    const bool is_high = row != nullptr && row->ignore_risk == kHigh && !field.is_harmless;
    const std::string name =
        field.name.empty() ? absl::StrCat("<field ", number, ">") : std::string(field.name);
    return UnknownField(is_high, at / name);
  }

  absl::Status UnknownField(bool is_high, const FieldPath& at) {
    if (origin_ == Origin::kDynamic && !is_high) {
      without_effect_->push_back(at.text());
      return absl::OkStatus();
    }
    return at.Error(
        origin_ == Origin::kStatic
            ? "is unknown to this proxy: remove it"
            : "is unknown to this proxy, and ignoring it could change who may call or where "
              "traffic goes: remove it");
  }

  absl::Status Descend(const pb::Message& message, const pb::FieldDescriptor& field,
                       const FieldPath& at) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_ENUM && !field.is_repeated()) {
      const int value = reflection.GetEnumValue(message, &field);
      if (field.enum_type()->FindValueByNumber(value) == nullptr) {
        return at.Error(absl::StrCat("unknown value ", value));
      }
    }
    if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return absl::OkStatus();
    if (field.is_map()) return DescendMap(message, field, at);
    if (!field.is_repeated())
      return CheckChild(message, reflection.GetMessage(message, &field), at);
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const auto status =
          Check(reflection.GetRepeatedMessage(message, &field, i), at[static_cast<size_t>(i)]);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // An HTTP filter may be marked as optional.
  absl::Status CheckChild(const pb::Message& parent, const pb::Message& child,
                          const FieldPath& at) {
    const pb::FieldDescriptor* optional = parent.GetDescriptor()->FindFieldByName("is_optional");
    if (optional == nullptr || !parent.GetReflection()->GetBool(parent, optional)) {
      return Check(child, at);
    }
    const int depth = depth_;
    if (!Check(child, at).ok()) without_effect_->push_back(at.text());
    depth_ = depth;
    return absl::OkStatus();
  }

  absl::Status DescendMap(const pb::Message& message, const pb::FieldDescriptor& field,
                          const FieldPath& at) {
    const pb::FieldDescriptor* value = field.message_type()->map_value();
    if (value->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return absl::OkStatus();
    const pb::Reflection& reflection = *message.GetReflection();
    std::map<std::string, const pb::Message*> sorted;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const pb::Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const pb::FieldDescriptor* key = field.message_type()->map_key();
      sorted[entry.GetReflection()->GetString(entry, key)] =
          &entry.GetReflection()->GetMessage(entry, value);
    }
    for (const auto& [key, child] : sorted) {
      const auto status = Check(*child, at.Key(key));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Tables are small, and searched once per message type.
  const Row* RowOf(const pb::Descriptor& type) {
    const auto [found, inserted] = rows_.emplace(&type, nullptr);
    if (inserted) found->second = FindRow(type.full_name());
    return found->second;
  }

  Origin origin_;
  std::vector<std::string>* without_effect_;
  std::unordered_map<const pb::Descriptor*, const Row*> rows_;
  int depth_ = 0;
};

}  // namespace

absl::Status CheckFields(const pb::Message& message, Origin origin, const FieldPath& at,
                         std::vector<std::string>* without_effect) {
  return Walk(origin, without_effect).Check(message, at);
}

}  // namespace tulle::config
