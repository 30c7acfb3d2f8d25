// Names, help texts, labels and buckets of all metrics.
#include "telemetry/families.h"

namespace tulle::telemetry {
namespace {

using enum MetricKind;
using enum RowsBy;

constexpr std::string_view kIstioLabels[] = {
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "source_canonical_service",
    "source_canonical_revision",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_cluster",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
};
static_assert(std::size(kIstioLabels) == kIstioLabelCount);
constexpr std::string_view kRouteLabels[] = {
    "reporter",
    "source_principal",
    "destination_principal",
    "destination_service",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
    "route",
    "called_service",
};
static_assert(std::size(kRouteLabels) == RouteLabel::kCount);

constexpr std::string_view kHttpLabels[] = {"direction", "service", "method", "status"};
constexpr std::string_view kHttpDurationLabels[] = {"direction", "service"};
constexpr std::string_view kIstioBuildLabels[] = {"component", "tag"};
constexpr std::string_view kBuildLabels[] = {"version", "revision"};
constexpr std::string_view kControlPlaneLabels[] = {"control_plane"};
constexpr std::string_view kUpdateLabels[] = {"type", "result"};
constexpr std::string_view kCertificateLabels[] = {"name", "spiffe_id"};
constexpr std::string_view kLimitLabels[] = {"cluster", "limit", "kind"};
constexpr std::string_view kCauseLabels[] = {"cause", "service"};
constexpr std::string_view kBreakerLabels[] = {"service", "cluster", "endpoint"};
constexpr std::string_view kOpenedLabels[] = {"service", "cluster", "cause"};
constexpr std::string_view kFailureLabels[] = {"direction", "service", "cause"};
constexpr std::string_view kVerdictLabels[] = {"verdict"};
constexpr std::string_view kReasonLabels[] = {"reason"};
constexpr std::string_view kWorkerLabels[] = {"worker"};
constexpr std::string_view kThreadLabels[] = {"thread"};
constexpr std::string_view kDeniedLabels[] = {"policy", "service"};
constexpr std::string_view kServiceLabels[] = {"service"};
constexpr std::string_view kListenerLabels[] = {"listener"};
constexpr std::string_view kMirrorLabels[] = {"service", "result"};

// Envoy's buckets, as far as Istio's dashboards show them.
constexpr double kMilliseconds[] = {0.5,   1,     2.5,    5,      10,   25,   50,
                                    100,   250,   500,    1000,   2500, 5000, 10000,
                                    30000, 60000, 300000, 600000, 1.8e6};
// OpenTelemetry's for http.server.request.duration, and two finer ones for calls inside a host.
constexpr double kSeconds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                               0.25,   0.5,   0.75,   1,     2.5,  5,     7.5,  10};
constexpr double kBytes[] = {256,    1024,    4096,    16384,    65536,
                             262144, 1048576, 4194304, 16777216, 67108864};
static_assert(std::size(kMilliseconds) <= Histogram::kMaxBounds);

}  // namespace

const FamilySpec kIstioRequests{
    "istio_requests_total", "Completed requests.", kCounter, kIstioLabels, {}};
const FamilySpec kIstioRequestDuration{"istio_request_duration_milliseconds",
                                       "Time from a request's first byte to its end.", kHistogram,
                                       kIstioLabels, kMilliseconds};
const FamilySpec kIstioRequestBytes{"istio_request_bytes", "Size of request bodies.", kHistogram,
                                    kIstioLabels, kBytes};
const FamilySpec kIstioResponseBytes{"istio_response_bytes", "Size of response bodies.", kHistogram,
                                     kIstioLabels, kBytes};
const FamilySpec kIstioRequestMessages{"istio_request_messages_total",
                                       "gRPC messages of requests that have ended.",
                                       kCounter,
                                       kIstioLabels,
                                       {}};
const FamilySpec kIstioResponseMessages{"istio_response_messages_total",
                                        "gRPC messages of responses that have ended.",
                                        kCounter,
                                        kIstioLabels,
                                        {}};
const FamilySpec kIstioTcpSent{"istio_tcp_sent_bytes_total",
                               "Bytes sent to the client on TCP connections.",
                               kCounter,
                               kIstioLabels,
                               {}};
const FamilySpec kIstioTcpReceived{"istio_tcp_received_bytes_total",
                                   "Bytes received from the client on TCP connections.",
                                   kCounter,
                                   kIstioLabels,
                                   {}};
const FamilySpec kIstioTcpOpened{
    "istio_tcp_connections_opened_total", "Opened TCP connections.", kCounter, kIstioLabels, {}};
const FamilySpec kIstioTcpClosed{
    "istio_tcp_connections_closed_total", "Closed TCP connections.", kCounter, kIstioLabels, {}};

const FamilySpec kRouteRequestDuration{"tulle_route_request_duration_milliseconds",
                                       "Time from a request's first byte to its end, by route.",
                                       kHistogram,
                                       kRouteLabels,
                                       kMilliseconds,
                                       RowsBy::kPeers,
                                       /*is_scraped=*/false};

const FamilySpec kHttpRequests{
    "http_requests_total", "Completed requests.", kCounter, kHttpLabels, {}};
const FamilySpec kHttpRequestDuration{"http_request_duration_seconds",
                                      "Time from a request's first byte to its end.", kHistogram,
                                      kHttpDurationLabels, kSeconds};

const FamilySpec kFailures{"tulle_failures_total",
                           "Requests and TCP connections that ended with a failure, by its cause "
                           "code. Answers of the service itself are no failures.",
                           kCounter,
                           kFailureLabels,
                           {},
                           kConfiguration};

const FamilySpec kIstioBuild{"istio_build",
                             "Version of the running program under Istio's name; always 1.",
                             kGauge,
                             kIstioBuildLabels,
                             {}};
const FamilySpec kBuild{
    "tulle_build_info", "Version of the running program; always 1.", kGauge, kBuildLabels, {}};
const FamilySpec kXdsConnected{"tulle_xds_connected",
                               "Whether the stream to the control plane is connected: 1 or 0.",
                               kGauge,
                               kControlPlaneLabels,
                               {}};
const FamilySpec kXdsUpdates{"tulle_xds_updates_total",
                             "Resources received from the control plane, by result.",
                             kCounter,
                             kUpdateLabels,
                             {}};
const FamilySpec kCertificateExpiry{"identity_cert_expiration_timestamp_seconds",
                                    "Expiry of the certificate in use, seconds since the epoch.",
                                    kGauge,
                                    kCertificateLabels,
                                    {}};
const FamilySpec kConfigWarnings{"tulle_config_warnings",
                                 "Fields of the current configuration that have no effect.",
                                 kGauge,
                                 {},
                                 {}};
const FamilySpec kUpstreamLimit{"tulle_upstream_limit",
                                "Limits of a cluster: current use and allowed maximum.",
                                kGauge,
                                kLimitLabels,
                                {},
                                kConfiguration};
const FamilySpec kBreakerState{
    "circuit_breaker_state",
    "Circuit breaker of an endpoint: 0 closed, 1 half open (one trial request), 2 open.",
    kGauge,
    kBreakerLabels,
    {},
    kConfiguration};
const FamilySpec kBreakerOpened{
    "tulle_breaker_opened_total",
    "Times that the circuit breaker of an endpoint opened, or opened again after a failed trial, "
    "by "
    "the cause code of the failure; server_error: an answer of 500 or above.",
    kCounter,
    kOpenedLabels,
    {},
    kConfiguration};
const FamilySpec kEndpointChecked{"tulle_endpoint_health",
                                  "Whether an endpoint passes its active health checks: 1 or 0.",
                                  kGauge,
                                  kBreakerLabels,
                                  {},
                                  kConfiguration};
const FamilySpec kAccessLogDropped{
    "tulle_access_log_dropped_lines_total",
    "Dropped lines and records of access logs; suppressed: of failures and denials that are logged "
    "without an access log, at most 10 a second; refused and rejected: by the collector.",
    kCounter,
    kReasonLabels,
    {}};
const FamilySpec kAccessLogSent{"tulle_access_log_sent_records_total",
                                "Access log records accepted by a collector.",
                                kCounter,
                                {},
                                {}};
const FamilySpec kDownstreamAccepted{"tulle_downstream_connections_accepted_total",
                                     "Accepted downstream connections.",
                                     kCounter,
                                     {},
                                     {}};
const FamilySpec kDownstreamClosed{"tulle_downstream_connections_closed_total",
                                   "Accepted downstream connections that have closed.",
                                   kCounter,
                                   {},
                                   {}};
const FamilySpec kDownstreamRefused{"tulle_downstream_connections_refused_total",
                                    "Downstream connections refused on arrival, by reason.",
                                    kCounter,
                                    kReasonLabels,
                                    {}};
const FamilySpec kProtocolDetections{
    "tulle_protocol_detections_total",
    "Downstream connections whose protocol was detected, by verdict: tls; http1; http2; tcp "
    "(neither); not_tls (HTTP was not looked for); server_first; timeout (undecided, or silent). "
    "Closed without a protocol: closed, malformed_tls.",
    kCounter,
    kVerdictLabels,
    {}};
const FamilySpec kDownstreamBroken{
    "tulle_downstream_connections_broken_total",
    "HTTP/2 connections ended because the peer broke the protocol or sent a flood, by cause.",
    kCounter,
    kCauseLabels,
    {},
    kConfiguration};
const FamilySpec kDenied{"tulle_authorization_denied_total",
                         "Requests and TCP connections denied by authorization, by policy and "
                         "rule; none: no ALLOW rule matched. Plaintext connections refused by a "
                         "PeerAuthentication, by policy and mode.",
                         kCounter,
                         kDeniedLabels,
                         {},
                         kConfiguration};
const FamilySpec kRetries{
    "tulle_retries_total", "Attempts after the first of a request.", kCounter, kServiceLabels, {},
    kConfiguration};
const FamilySpec kRetriedRequests{
    "tulle_retried_requests_total",
    "Requests that were retried, by result: success, failure; or that needed a retry and got none: "
    "limit (no attempts left), budget (too many retries at once).",
    kCounter,
    kMirrorLabels,
    {},
    kConfiguration};
const FamilySpec kListenerFailed{"tulle_listener_failed",
                                 "1 for each listener that cannot listen on its address.",
                                 kGauge,
                                 kListenerLabels,
                                 {},
                                 kConfiguration};
const FamilySpec kRegistered{"tulle_registered",
                             "Whether the control plane has registered this workload: 1 or 0.",
                             kGauge,
                             {},
                             {}};
const FamilySpec kMirrored{"tulle_mirrored_requests_total",
                           "Mirrored requests, by result.",
                           kCounter,
                           kMirrorLabels,
                           {},
                           kConfiguration};
const FamilySpec kSpansSent{
    "tulle_spans_sent_total", "Spans accepted by a collector.", kCounter, {}, {}};
const FamilySpec kSpansDropped{"tulle_spans_dropped_total",
                               "Spans that no collector has, by reason: queue_full, "
                               "queue_full_errors (of failed and slow requests, dropped last), "
                               "late_limit (of such requests, too many in a second), refused (a "
                               "batch, by the collector), rejected (a part of one).",
                               kCounter,
                               kReasonLabels,
                               {}};
const FamilySpec kInsightDropped{
    "tulle_insight_answers_dropped_total",
    "Answers to questions of the control plane that found no room on its connection.",
    kCounter,
    {},
    {}};
const FamilySpec kWorkerMemory{"tulle_worker_memory_bytes",
                               "Memory reserved by the worker's slab.",
                               kGauge,
                               kWorkerLabels,
                               {}};
const FamilySpec kMemoryUsed{
    "tulle_memory_used_bytes",
    "Memory used by the control group, excluding what the system can reclaim "
    "at once.",
    kGauge,
    {},
    {}};
const FamilySpec kMemoryLimit{
    "tulle_memory_limit_bytes", "Memory limit of the control group.", kGauge, {}, {}};
const FamilySpec kMemoryPressure{
    "tulle_memory_pressure",
    "Memory pressure: 0 none, 1 new requests are refused, 2 the largest requests end.",
    kGauge,
    {},
    {}};
const FamilySpec kStalls{"tulle_thread_stalls_total",
                         "Times that a thread was unresponsive for 200 ms.",
                         kCounter,
                         kThreadLabels,
                         {}};

std::span<const FamilySpec* const> ExpiringFamilies() {
  static constexpr const FamilySpec* kAll[] = {&kIstioRequests,
                                               &kIstioRequestDuration,
                                               &kIstioRequestBytes,
                                               &kIstioResponseBytes,
                                               &kIstioRequestMessages,
                                               &kIstioResponseMessages,
                                               &kIstioTcpSent,
                                               &kIstioTcpReceived,
                                               &kIstioTcpOpened,
                                               &kIstioTcpClosed,
                                               &kRouteRequestDuration,
                                               &kHttpRequests,
                                               &kHttpRequestDuration,
                                               &kFailures,
                                               &kBreakerOpened,
                                               &kDenied,
                                               &kRetries,
                                               &kMirrored,
                                               &kRetriedRequests,
                                               &kDownstreamBroken};
  return kAll;
}

}  // namespace tulle::telemetry
