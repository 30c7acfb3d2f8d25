#include "net/base/failure.h"

namespace tulle::facts {
namespace {

constexpr auto kDown = FailureOrigin::kDownstream;
constexpr auto kHere = FailureOrigin::kLocal;
constexpr auto kUp = FailureOrigin::kUpstream;
constexpr auto kNo = Processed::kNo;
constexpr auto kMaybe = Processed::kUnknown;

}  // namespace

// Status codes, flags and details as Envoy gives them, so that dashboards and runbooks carry over.
constinit const FailureFacts kNone{kHere, 0, 0, kMaybe, "-", "none", "", "via_upstream"};
constinit const FailureFacts kBadRequest{
    kDown, 400, 13, kNo, "DPE", "bad_request", "bad request", "http1.codec_error"};
constinit const FailureFacts kHeadersTooLarge{kDown,
                                              431,
                                              13,
                                              kNo,
                                              "DPE",
                                              "headers_too_large",
                                              "request headers too large",
                                              "request_headers_too_large"};
constinit const FailureFacts kUnsupportedVersion{
    kDown, 505, 13, kNo, "DPE", "unsupported_version", "HTTP version not supported", "low_version"};
constinit const FailureFacts kUpgradeRequired{
    kDown, 426, 13, kNo, "DPE", "upgrade_required", "use HTTP/1.1", "low_version"};
constinit const FailureFacts kUnsupportedCoding{kDown,
                                                501,
                                                12,
                                                kNo,
                                                "DPE",
                                                "unsupported_transfer_coding",
                                                "transfer coding not supported",
                                                "http1.invalid_transfer_encoding"};
constinit const FailureFacts kExpectationFailed{kDown,
                                                417,
                                                13,
                                                kNo,
                                                "DPE",
                                                "expectation_failed",
                                                "expectation not supported",
                                                "expectation_failed"};
constinit const FailureFacts kRequestHeadersTimeout{kDown,
                                                    408,
                                                    14,
                                                    kNo,
                                                    "DT",
                                                    "request_headers_timeout",
                                                    "request header timeout",
                                                    "request_header_timeout"};
constinit const FailureFacts kDownstreamClosed{
    kDown, 0, 1, kMaybe, "DC", "downstream_closed", "", "downstream_remote_disconnect"};
constinit const FailureFacts kDownstreamProtocol{
    kDown, 400, 13, kMaybe, "DPE", "downstream_protocol_error", "protocol error", "codec_error"};
constinit const FailureFacts kRequestTimeout{kHere,
                                             504,
                                             14,
                                             kMaybe,
                                             "UT",
                                             "request_timeout",
                                             "upstream request timeout",
                                             "response_timeout",
                                             AttemptStage::kNone,
                                             ConnectionEnds::kNo,
                                             Blame::kEndpointIfDialled};
constinit const FailureFacts kDraining{
    kHere, 503, 14, kNo, "-", "draining", "proxy is draining", "draining"};
constinit const FailureFacts kInternal{
    kHere, 500, 13, kMaybe, "-", "internal", "internal error", "internal_error"};
constinit const FailureFacts kMemoryShort{
    kHere, 503, 14, kMaybe, "OM", "memory_short", "proxy is short of memory", "overload"};
constinit const FailureFacts kConnectRefused{
    kUp,
    503,
    14,
    kNo,
    "UF",
    "connect_failed",
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
    "failure",
    "upstream_reset_before_response_started{remote_connection_failure}",
    AttemptStage::kConnect,
    ConnectionEnds::kNo,
    Blame::kEndpoint};
constinit const FailureFacts kConnectTimeout{
    kUp,
    503,
    14,
    kNo,
    "UF",
    "connect_timeout",
    "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
    "upstream_reset_before_response_started{connection_timeout}",
    AttemptStage::kConnect,
    ConnectionEnds::kNo,
    Blame::kEndpoint};
constinit const FailureFacts kTlsFailed{
    kUp,
    503,
    14,
    kNo,
    "UF",
    "tls_failed",
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
    "failure",
    "upstream_reset_before_response_started{remote_connection_failure|TLS_error}",
    AttemptStage::kConnect,
    ConnectionEnds::kNo,
    Blame::kEndpoint};
constinit const FailureFacts kPeerRefused{
    kUp,
    503,
    14,
    kNo,
    "UF",
    "peer_identity_refused",
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
    "failure",
    "upstream_reset_before_response_started{remote_connection_failure|TLS_error:peer_identity}",
    AttemptStage::kConnect,
    ConnectionEnds::kNo,
    Blame::kEndpoint};
constinit const FailureFacts kUpstreamClosedUnused{
    kUp,
    503,
    14,
    kNo,
    "UC",
    "connection_closed_unused",
    "upstream connect error or disconnect/reset before headers. reset reason: connection "
    "termination",
    "upstream_reset_before_response_started{connection_termination}",
    AttemptStage::kUnread,
    ConnectionEnds::kYes,
    Blame::kNone};
constinit const FailureFacts kUpstreamClosedUnread{
    kUp,
    503,
    14,
    kNo,
    "UC",
    "connection_closed_unread",
    "upstream connect error or disconnect/reset before headers. reset reason: connection "
    "termination",
    "upstream_reset_before_response_started{connection_termination}",
    AttemptStage::kUnread,
    ConnectionEnds::kYes,
    Blame::kEndpointIfDialled};
constinit const FailureFacts kUpstreamClosed{
    kUp,
    503,
    14,
    kMaybe,
    "UC",
    "connection_closed",
    "upstream connect error or disconnect/reset before headers. reset reason: connection "
    "termination",
    "upstream_reset_before_response_started{connection_termination}",
    AttemptStage::kAwaiting,
    ConnectionEnds::kYes,
    Blame::kEndpointIfDialled};
constinit const FailureFacts kUpstreamReset{
    kUp,
    503,
    14,
    kMaybe,
    "UR",
    "upstream_reset",
    "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
    "upstream_reset_before_response_started{remote_reset}",
    AttemptStage::kAwaiting,
    ConnectionEnds::kHttp1Only,
    Blame::kEndpointIfDialled};
constinit const FailureFacts kUpstreamRefusedStream{
    kUp,
    503,
    14,
    kNo,
    "UR",
    "refused_stream",
    "upstream connect error or disconnect/reset before headers. reset reason: remote refused "
    "stream reset",
    "upstream_reset_before_response_started{remote_refused_stream_reset}",
    AttemptStage::kRefused,
    ConnectionEnds::kNo,
    Blame::kNone};
constinit const FailureFacts kUpstreamProtocol{
    kUp,
    502,
    14,
    kMaybe,
    "UPE",
    "upstream_protocol_error",
    "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
    "upstream_reset_before_response_started{protocol_error}",
    AttemptStage::kAwaiting,
    ConnectionEnds::kNo,
    Blame::kEndpoint};
constinit const FailureFacts kUpstreamTruncated{
    kUp,
    0,
    14,
    kMaybe,
    "UC",
    "response_truncated",
    "",
    "upstream_reset_after_response_started{connection_termination}",
    AttemptStage::kAnswered,
    ConnectionEnds::kNo,
    Blame::kEndpoint};

}  // namespace tulle::facts
