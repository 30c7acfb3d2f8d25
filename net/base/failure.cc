#include "net/base/failure.h"

#include <array>
#include <cstddef>

namespace tulle {
namespace {

using enum FailureKind;
constexpr auto kDown = FailureOrigin::kDownstream;
constexpr auto kHere = FailureOrigin::kLocal;
constexpr auto kUp = FailureOrigin::kUpstream;
constexpr auto kNo = Processed::kNo;
constexpr auto kMaybe = Processed::kUnknown;

// Status codes, flags and details as Envoy gives them, so that dashboards and runbooks carry over.
constexpr std::array<FailureFacts, static_cast<size_t>(kCount)> kTable = {{
    {kNone, kHere, 0, 0, kMaybe, "-", "none", "", "via_upstream"},
    {kBadRequest, kDown, 400, 13, kNo, "DPE", "bad_request", "bad request", "http1.codec_error"},
    {kHeadersTooLarge, kDown, 431, 13, kNo, "DPE", "headers_too_large", "request headers too large",
     "request_headers_too_large"},
    {kUnsupportedVersion, kDown, 505, 13, kNo, "DPE", "unsupported_version",
     "HTTP version not supported", "low_version"},
    {kUpgradeRequired, kDown, 426, 13, kNo, "DPE", "upgrade_required", "use HTTP/1.1",
     "low_version"},
    {kUnsupportedCoding, kDown, 501, 12, kNo, "DPE", "unsupported_transfer_coding",
     "transfer coding not supported", "http1.invalid_transfer_encoding"},
    {kExpectationFailed, kDown, 417, 13, kNo, "DPE", "expectation_failed",
     "expectation not supported", "expectation_failed"},
    {kRequestHeadersTimeout, kDown, 408, 14, kNo, "DT", "request_headers_timeout",
     "request header timeout", "request_header_timeout"},
    {kDownstreamClosed, kDown, 0, 1, kMaybe, "DC", "downstream_closed", "",
     "downstream_remote_disconnect"},
    {kDownstreamProtocol, kDown, 400, 13, kMaybe, "DPE", "downstream_protocol_error",
     "protocol error", "codec_error"},
    {kNoRoute, kHere, 404, 12, kNo, "NR", "no_route", "", "route_not_found"},
    {kNoCluster, kHere, 503, 14, kNo, "NC", "no_cluster", "", "cluster_not_found"},
    {kNoHealthyEndpoint, kHere, 503, 14, kNo, "UH", "no_healthy_endpoint", "no healthy upstream",
     "no_healthy_upstream"},
    {kBreakerOpen, kHere, 503, 14, kNo, "UH", "breaker_open", "no healthy upstream",
     "no_healthy_upstream"},
    {kOverflow, kHere, 503, 14, kNo, "UO", "overflow",
     "upstream connect error or disconnect/reset before headers. reset reason: overflow",
     "upstream_reset_before_response_started{overflow}"},
    {kDenied, kHere, 403, 7, kNo, "-", "denied", "RBAC: access denied",
     "rbac_access_denied_matched_policy"},
    {kUpgradeRefused, kHere, 403, 7, kNo, "-", "upgrade_refused", "upgrade not allowed",
     "upgrade_failed"},
    {kRequestTimeout, kHere, 504, 14, kMaybe, "UT", "request_timeout", "upstream request timeout",
     "response_timeout"},
    {kReceiveTimeout, kDown, 408, 4, kMaybe, "DT", "receive_timeout", "request timeout",
     "request_overall_timeout"},
    {kStreamIdleTimeout, kHere, 504, 14, kMaybe, "SI", "stream_idle_timeout", "stream timeout",
     "stream_idle_timeout"},
    {kStreamDuration, kHere, 504, 4, kMaybe, "DT", "stream_duration", "downstream duration timeout",
     "max_duration_timeout"},
    {kNotReady, kHere, 503, 14, kNo, "-", "not_ready", "proxy has no configuration yet",
     "not_ready"},
    {kDraining, kHere, 503, 14, kNo, "-", "draining", "proxy is draining", "draining"},
    {kInternal, kHere, 500, 13, kMaybe, "-", "internal", "internal error", "internal_error"},
    {kConnectRefused, kUp, 503, 14, kNo, "UF", "connect_failed",
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
     "failure",
     "upstream_reset_before_response_started{remote_connection_failure}"},
    {kConnectTimeout, kUp, 503, 14, kNo, "UF", "connect_timeout",
     "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
     "upstream_reset_before_response_started{connection_timeout}"},
    {kTlsFailed, kUp, 503, 14, kNo, "UF", "tls_failed",
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
     "failure",
     "upstream_reset_before_response_started{remote_connection_failure|TLS_error}"},
    {kPeerRefused, kUp, 503, 14, kNo, "UF", "peer_identity_refused",
     "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
     "failure",
     "upstream_reset_before_response_started{remote_connection_failure|TLS_error:peer_identity}"},
    {kUpstreamClosedUnused, kUp, 503, 14, kNo, "UC", "connection_closed_unused",
     "upstream connect error or disconnect/reset before headers. reset reason: connection "
     "termination",
     "upstream_reset_before_response_started{connection_termination}"},
    {kUpstreamClosed, kUp, 503, 14, kMaybe, "UC", "connection_closed",
     "upstream connect error or disconnect/reset before headers. reset reason: connection "
     "termination",
     "upstream_reset_before_response_started{connection_termination}"},
    {kUpstreamReset, kUp, 503, 14, kMaybe, "UR", "upstream_reset",
     "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
     "upstream_reset_before_response_started{remote_reset}"},
    {kUpstreamRefusedStream, kUp, 503, 14, kNo, "UR", "refused_stream",
     "upstream connect error or disconnect/reset before headers. reset reason: remote refused "
     "stream reset",
     "upstream_reset_before_response_started{remote_refused_stream_reset}"},
    {kUpstreamProtocol, kUp, 502, 14, kMaybe, "UPE", "upstream_protocol_error",
     "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
     "upstream_reset_before_response_started{protocol_error}"},
    {kUpstreamTruncated, kUp, 0, 14, kMaybe, "UC", "response_truncated", "",
     "upstream_reset_after_response_started{connection_termination}"},
    {kPerTryTimeout, kUp, 504, 14, kMaybe, "UT", "per_try_timeout", "upstream request timeout",
     "upstream_per_try_timeout"},
    {kUpstreamClosedUnread, kUp, 503, 14, kNo, "UC", "connection_closed_unread",
     "upstream connect error or disconnect/reset before headers. reset reason: connection "
     "termination",
     "upstream_reset_before_response_started{connection_termination}"},
    {kRateLimited, kHere, 429, 14, kNo, "RL", "rate_limited", "local_rate_limited",
     "local_rate_limited"},
    {kFaultInjected, kHere, 503, 14, kNo, "FI", "fault_injected", "fault filter abort",
     "fault_filter_abort"},
    {kLoopDetected, kHere, 508, 13, kNo, "-", "loop_detected",
     "the request came through too many proxies: it goes in a circle", "loop_detected"},
    {kMisdirected, kHere, 421, 2, kNo, "-", "misdirected",
     "this connection was made for another name: open one for the name that is asked for",
     "misdirected_request"},
    {kMemoryShort, kHere, 503, 14, kMaybe, "OM", "memory_short", "proxy is short of memory",
     "overload"},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].kind) != i) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

const FailureFacts& Facts(FailureKind kind) { return kTable[static_cast<size_t>(kind)]; }

}  // namespace tulle
