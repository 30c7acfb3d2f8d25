#include "telemetry/access_log_operators.h"

namespace tulle::telemetry {
namespace {

using enum LogOperator;
using enum LogArgument;

// Those that are always absent are Envoy's, and stand for what no sidecar has: metadata and state
// of filters, virtual clusters. Envoy writes them in the same way where there is none.
constexpr LogOperatorFacts kTable[] = {
    {"START_TIME", kStartTime, kTime},
    {"REQ", kRequestHeader, kHeader},
    {"REQUEST_HEADER", kRequestHeader, kHeader},
    {"RESP", kResponseHeader, kHeader},
    {"RESPONSE_HEADER", kResponseHeader, kHeader},
    {"TRAILER", kResponseTrailer, kHeader},
    {"RESPONSE_TRAILER", kResponseTrailer, kHeader},
    {"PROTOCOL", kProtocol},
    {"RESPONSE_CODE", kResponseCode, kNone, true},
    {"RESPONSE_CODE_DETAILS", kResponseCodeDetails},
    {"TULLE_CAUSE", kCause},
    {"RESPONSE_FLAGS", kResponseFlags},
    {"RESPONSE_FLAGS_LONG", kResponseFlagsLong},
    {"GRPC_STATUS", kGrpcStatus, kAnything},
    {"GRPC_STATUS_NUMBER", kGrpcStatusNumber, kNone, true},
    {"BYTES_RECEIVED", kBytesReceived, kNone, true},
    {"BYTES_SENT", kBytesSent, kNone, true},
    {"DURATION", kDuration, kNone, true},
    {"REQUEST_DURATION", kRequestDuration, kNone, true},
    {"RESPONSE_DURATION", kResponseDuration, kNone, true},
    {"RESPONSE_TX_DURATION", kResponseTxDuration, kNone, true},
    {"ROUTE_NAME", kRouteName},
    {"UPSTREAM_CLUSTER", kUpstreamCluster},
    {"UPSTREAM_CLUSTER_RAW", kUpstreamCluster},
    {"UPSTREAM_HOST", kUpstreamHost},
    {"UPSTREAM_REMOTE_ADDRESS", kUpstreamHost},
    {"UPSTREAM_LOCAL_ADDRESS", kUpstreamLocalAddress},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", kUpstreamTransportFailureReason},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", kUpstreamRequestAttemptCount, kNone, true},
    {"UPSTREAM_PEER_URI_SAN", kUpstreamPeerUriSan},
    {"CONNECTION_TERMINATION_DETAILS", kConnectionTerminationDetails},
    {"DOWNSTREAM_REMOTE_ADDRESS", kDownstreamRemoteAddress},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", kDownstreamRemoteAddressWithoutPort},
    {"DOWNSTREAM_REMOTE_PORT", kDownstreamRemotePort, kNone, true},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", kDownstreamRemoteAddress},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", kDownstreamRemoteAddressWithoutPort},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", kDownstreamRemotePort, kNone, true},
    {"DOWNSTREAM_LOCAL_ADDRESS", kDownstreamLocalAddress},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", kDownstreamLocalAddressWithoutPort},
    {"DOWNSTREAM_LOCAL_PORT", kDownstreamLocalPort, kNone, true},
    {"DOWNSTREAM_PEER_URI_SAN", kDownstreamPeerUriSan},
    {"DOWNSTREAM_PEER_SUBJECT", kDownstreamPeerSubject},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", kDownstreamPeerFingerprint},
    {"REQUESTED_SERVER_NAME", kRequestedServerName},
    {"FILTER_CHAIN_NAME", kFilterChainName},
    {"HOSTNAME", kHostname},
    {"DYNAMIC_METADATA", kAlwaysAbsent, kAnything},
    {"CLUSTER_METADATA", kAlwaysAbsent, kAnything},
    {"UPSTREAM_METADATA", kAlwaysAbsent, kAnything},
    {"METADATA", kAlwaysAbsent, kAnything},
    {"FILTER_STATE", kAlwaysAbsent, kAnything},
    {"UPSTREAM_FILTER_STATE", kAlwaysAbsent, kAnything},
    {"VIRTUAL_CLUSTER_NAME", kAlwaysAbsent},
    {"STREAM_ID", kStreamId},
    {"TRACE_ID", kTraceId},
    {"SPAN_ID", kSpanId},
    {"CONNECTION_ID", kConnectionId, kNone, true},
    {"UPSTREAM_CONNECTION_ID", kAlwaysAbsent},
    {"UPSTREAM_TLS_VERSION", kUpstreamTlsVersion},
    {"UPSTREAM_TLS_CIPHER", kUpstreamTlsCipher},
    {"UPSTREAM_PEER_SUBJECT", kAlwaysAbsent},
    {"UPSTREAM_PROTOCOL", kUpstreamProtocol},
    {"DOWNSTREAM_TLS_VERSION", kDownstreamTlsVersion},
    {"DOWNSTREAM_TLS_CIPHER", kDownstreamTlsCipher},
    {"DOWNSTREAM_LOCAL_URI_SAN", kDownstreamLocalUriSan},
    {"DOWNSTREAM_LOCAL_SUBJECT", kAlwaysAbsent},
    {"DOWNSTREAM_PEER_ISSUER", kDownstreamPeerIssuer},
    {"DOWNSTREAM_PEER_CERT_V_START", kDownstreamPeerValidFrom, kTime},
    {"DOWNSTREAM_PEER_CERT_V_END", kDownstreamPeerValidUntil, kTime},
    {"DOWNSTREAM_PEER_SERIAL", kDownstreamPeerSerial},
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", kAlwaysAbsent},
    {"LOCAL_REPLY_BODY", kLocalReplyBody},
    {"ACCESS_LOG_TYPE", kAccessLogType},
};

}  // namespace

const LogOperatorFacts* FindLogOperator(std::string_view name) {
  for (const LogOperatorFacts& facts : kTable) {
    if (facts.name == name) return &facts;
  }
  return nullptr;
}

bool IsNumber(LogOperator op) {
  for (const LogOperatorFacts& facts : kTable) {
    if (facts.op == op) return facts.number;
  }
  return false;
}

}  // namespace tulle::telemetry
