#include "sidecar/proxy/failures.h"

namespace tulle::proxy {
namespace facts {
namespace {

constexpr auto kDown = FailureOrigin::kDownstream;
constexpr auto kHere = FailureOrigin::kLocal;
constexpr auto kUp = FailureOrigin::kUpstream;
constexpr auto kNo = Processed::kNo;
constexpr auto kMaybe = Processed::kUnknown;

// Status codes, flags and details as Envoy gives them, so that dashboards and runbooks carry over.
constexpr FailureFacts kNoRoute{kHere, 404, 12, kNo, "NR", "no_route", "", "route_not_found"};
constexpr FailureFacts kNoCluster{kHere, 503, 14, kNo, "NC", "no_cluster", "", "cluster_not_found"};
constexpr FailureFacts kDenied{kHere,
                               403,
                               7,
                               kNo,
                               "UAEX",
                               "denied",
                               "RBAC: access denied",
                               "rbac_access_denied_matched_policy"};
constexpr FailureFacts kUpgradeRefused{
    kHere, 403, 7, kNo, "-", "upgrade_refused", "upgrade not allowed", "upgrade_failed"};
constexpr FailureFacts kReceiveTimeout{
    kDown, 408, 4, kMaybe, "DT", "receive_timeout", "request timeout", "request_overall_timeout"};
constexpr FailureFacts kStreamIdleTimeout{
    kHere, 504, 14, kMaybe, "SI", "stream_idle_timeout", "stream timeout", "stream_idle_timeout"};
constexpr FailureFacts kStreamDuration{kHere,
                                       504,
                                       4,
                                       kMaybe,
                                       "DT",
                                       "stream_duration",
                                       "downstream duration timeout",
                                       "max_duration_timeout"};
constexpr FailureFacts kPerTryTimeout{kUp,
                                      504,
                                      14,
                                      kMaybe,
                                      "UT",
                                      "per_try_timeout",
                                      "upstream request timeout",
                                      "upstream_per_try_timeout",
                                      AttemptStage::kAwaiting,
                                      ConnectionEnds::kNo,
                                      Blame::kEndpoint};
constexpr FailureFacts kRateLimited{
    kHere, 429, 14, kNo, "RL", "rate_limited", "local_rate_limited", "local_rate_limited"};
constexpr FailureFacts kFaultInjected{
    kHere, 503, 14, kNo, "FI", "fault_injected", "fault filter abort", "fault_filter_abort"};
constexpr FailureFacts kLoopDetected{
    kHere,
    508,
    13,
    kNo,
    "-",
    "loop_detected",
    "the request came through too many proxies: it goes in a circle",
    "loop_detected"};
constexpr FailureFacts kMisdirected{
    kHere,
    421,
    2,
    kNo,
    "-",
    "misdirected",
    "this connection was made for another name: open one for the name that is asked for",
    "misdirected_request"};
constexpr FailureFacts kPlaintextRefused{
    kHere, 0, 14, kNo, "NR", "plaintext_refused", "", "filter_chain_not_found"};
constexpr FailureFacts kNoFilterChain{
    kHere, 0, 14, kNo, "NR", "no_filter_chain", "", "filter_chain_not_found"};
// A direct response has neither flag nor details of its own, here as in Envoy.
constexpr FailureFacts kUnknownHost{
    kHere, 404, 12, kNo, "-", "unknown_host", "unknown host", "direct_response"};
constexpr FailureFacts kNotHttpPort{
    kHere, 404, 12, kNo, "-", "not_http_port", "not an HTTP port", "direct_response"};
constexpr FailureFacts kEgressDenied{
    kHere, 502, 14, kNo, "-", "egress_denied", "unknown destination", "direct_response"};
constexpr FailureFacts kBackendInvalid{
    kHere, 500, 14, kNo, "-", "backend_invalid", "invalid backend", "direct_response"};

}  // namespace
}  // namespace facts

constinit const FailureKind failures::kNoRoute(facts::kNoRoute);
constinit const FailureKind failures::kNoCluster(facts::kNoCluster);
constinit const FailureKind failures::kDenied(facts::kDenied);
constinit const FailureKind failures::kUpgradeRefused(facts::kUpgradeRefused);
constinit const FailureKind failures::kReceiveTimeout(facts::kReceiveTimeout);
constinit const FailureKind failures::kStreamIdleTimeout(facts::kStreamIdleTimeout);
constinit const FailureKind failures::kStreamDuration(facts::kStreamDuration);
constinit const FailureKind failures::kPerTryTimeout(facts::kPerTryTimeout);
constinit const FailureKind failures::kRateLimited(facts::kRateLimited);
constinit const FailureKind failures::kFaultInjected(facts::kFaultInjected);
constinit const FailureKind failures::kLoopDetected(facts::kLoopDetected);
constinit const FailureKind failures::kMisdirected(facts::kMisdirected);
constinit const FailureKind failures::kPlaintextRefused(facts::kPlaintextRefused);
constinit const FailureKind failures::kNoFilterChain(facts::kNoFilterChain);
constinit const FailureKind failures::kUnknownHost(facts::kUnknownHost);
constinit const FailureKind failures::kNotHttpPort(facts::kNotHttpPort);
constinit const FailureKind failures::kEgressDenied(facts::kEgressDenied);
constinit const FailureKind failures::kBackendInvalid(facts::kBackendInvalid);

FailureKind failures::OfRoute(std::string_view cause) {
  for (const FailureKind kind : {kUnknownHost, kNotHttpPort, kEgressDenied, kBackendInvalid}) {
    if (kind.facts().cause == cause) return kind;
  }
  return FailureKind::kNone;
}

}  // namespace tulle::proxy
