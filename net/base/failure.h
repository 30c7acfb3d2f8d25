#pragma once

#include <cstdint>
#include <string_view>

namespace tulle {

// What went wrong with one request, connection or stream: a small value, passed by copy on the data
// path. Everything that follows from it (status code, response flag, retry, log text, metric label,
// cause) is read from one table, failure.cc.
enum class FailureKind : uint8_t {
  kNone,
  // The downstream peer broke the protocol, or left.
  kBadRequest,
  kHeadersTooLarge,
  kUnsupportedVersion,
  kUpgradeRequired,  // HTTP/1.0, which is not spoken
  kUnsupportedCoding,
  kExpectationFailed,
  kRequestHeadersTimeout,
  kDownstreamClosed,
  kDownstreamProtocol,
  // Decided here.
  kNoRoute,
  kNoCluster,
  kNoHealthyEndpoint,
  kBreakerOpen,
  kOverflow,
  kDenied,
  kUpgradeRefused,
  kRequestTimeout,
  kReceiveTimeout,  // the request did not come to its end in time
  kStreamIdleTimeout,
  kStreamDuration,  // a request with its response took longer than it may
  kNotReady,
  kDraining,
  kInternal,
  // The upstream, or the way to it.
  kConnectRefused,
  kConnectTimeout,
  kTlsFailed,
  kPeerRefused,
  kUpstreamClosedUnused,  // closed before anything of the request was written
  kUpstreamClosed,        // closed before a response head
  kUpstreamReset,         // RST_STREAM or a TCP reset before a response head
  kUpstreamRefusedStream,
  kUpstreamProtocol,
  kUpstreamTruncated,  // ended after the response head, before its end
  kPerTryTimeout,
  kUpstreamClosedUnread,  // closed, and its system had taken nothing of the request
  // Decided here, by policy.
  kRateLimited,
  kFaultInjected,  // with the status that was configured
  kLoopDetected,
  kMisdirected,  // asked of a TLS connection that was made for another name
  kMemoryShort,  // neither begun nor, where much would be held, gone on with
  kCount,
};

enum class FailureOrigin : uint8_t { kDownstream, kLocal, kUpstream };

// How far the upstream may have got with the request.
enum class Processed : uint8_t { kNo, kUnknown };

struct FailureFacts {
  FailureKind kind;
  FailureOrigin origin;
  uint16_t status;          // of the local reply; 0: nothing can be answered
  uint8_t grpc_status;      // of the local reply to a gRPC request
  Processed processed;      // kNo: proven unprocessed, safe to send again
  std::string_view flag;    // Envoy's response flag
  std::string_view cause;   // metric label and machine-readable cause
  std::string_view body;    // of the local reply
  std::string_view detail;  // response_code_details of the access log
};

const FailureFacts& Facts(FailureKind kind);

struct Failure {
  FailureKind kind = FailureKind::kNone;
  // A static string that says more than the table, or empty. Never text that a peer sent.
  const char* detail = "";

  explicit operator bool() const { return kind != FailureKind::kNone; }
  const FailureFacts& facts() const { return Facts(kind); }
};

}  // namespace tulle
