#pragma once

#include <cstdint>
#include <string_view>

namespace tulle {

enum class FailureOrigin : uint8_t { kDownstream, kLocal, kUpstream };

// How far the upstream may have got with the request.
enum class Processed : uint8_t { kNo, kUnknown };

// How far an attempt had got when it failed. Retry conditions follow from it.
enum class AttemptStage : uint8_t {
  kNone,      // not the failure of an attempt
  kConnect,   // there was no connection
  kRefused,   // the upstream refused the stream
  kUnread,    // the connection closed before the upstream had read the request
  kAwaiting,  // the request was sent and no response head had come
  kAnswered,  // the response head had come
};

// Whether the connection ended with the attempt.
enum class ConnectionEnds : uint8_t { kNo, kYes, kHttp1Only };

// Whether the failure counts against the endpoint (outlier detection, circuit breaker).
enum class Blame : uint8_t { kNone, kEndpoint, kEndpointIfDialled };

// Everything that follows from a kind of failure: one row of a failure table. Static.
struct FailureFacts {
  FailureOrigin origin;
  uint16_t status;          // of the local reply; 0: nothing can be answered
  uint8_t grpc_status;      // of the local reply to a gRPC request
  Processed processed;      // kNo: proven unprocessed, safe to send again
  std::string_view flag;    // Envoy's response flag
  std::string_view cause;   // metric label and machine-readable cause
  std::string_view body;    // of the local reply
  std::string_view detail;  // response_code_details of the access log
  AttemptStage stage = AttemptStage::kNone;
  ConnectionEnds connection_ends = ConnectionEnds::kNo;
  Blame blame = Blame::kNone;
};

// The rows of failure.cc.
namespace facts {
extern const FailureFacts kNone, kBadRequest, kHeadersTooLarge, kUnsupportedVersion,
    kUpgradeRequired, kUnsupportedCoding, kExpectationFailed, kRequestHeadersTimeout,
    kDownstreamClosed, kDownstreamProtocol, kRequestTimeout, kDraining, kInternal, kMemoryShort,
    kConnectRefused, kConnectTimeout, kTlsFailed, kPeerRefused, kUpstreamClosedUnused,
    kUpstreamClosedUnread, kUpstreamClosed, kUpstreamReset, kUpstreamRefusedStream,
    kUpstreamProtocol, kUpstreamTruncated;
}  // namespace facts

// A kind of failure. The set is open: transports and codecs know those below, and each layer above
// adds its own by a row of facts (sidecar/upstream/failures.h, sidecar/proxy/failures.h).
class FailureKind {
 public:
  constexpr FailureKind() = default;  // kNone
  // `facts` has static lifetime; its address is the identity of the kind.
  constexpr explicit FailureKind(const FailureFacts& facts) : facts_(&facts) {}

  const FailureFacts& facts() const { return facts_ == nullptr ? facts::kNone : *facts_; }
  constexpr bool is_none() const { return facts_ == nullptr; }
  friend constexpr bool operator==(FailureKind, FailureKind) = default;

  static const FailureKind kNone;
  // The downstream peer broke the protocol, or closed the connection.
  static const FailureKind kBadRequest;
  static const FailureKind kHeadersTooLarge;
  static const FailureKind kUnsupportedVersion;
  static const FailureKind kUpgradeRequired;  // HTTP/1.0 where it is not accepted
  static const FailureKind kUnsupportedCoding;
  static const FailureKind kExpectationFailed;
  static const FailureKind kRequestHeadersTimeout;
  static const FailureKind kDownstreamClosed;
  static const FailureKind kDownstreamProtocol;
  // Decided here.
  static const FailureKind kRequestTimeout;
  static const FailureKind kDraining;
  static const FailureKind kInternal;
  static const FailureKind kMemoryShort;  // refused, or ended because it held much memory
  // The upstream, or the way to it.
  static const FailureKind kConnectRefused;
  static const FailureKind kConnectTimeout;
  static const FailureKind kTlsFailed;
  static const FailureKind kPeerRefused;
  static const FailureKind kUpstreamClosedUnused;  // closed before the request was written
  static const FailureKind kUpstreamClosedUnread;  // closed, and its system had accepted no byte
  static const FailureKind kUpstreamClosed;        // closed before a response head
  static const FailureKind kUpstreamReset;         // RST_STREAM or TCP reset before a response head
  static const FailureKind kUpstreamRefusedStream;
  static const FailureKind kUpstreamProtocol;
  static const FailureKind kUpstreamTruncated;  // ended after the response head, before its end

 private:
  const FailureFacts* facts_ = nullptr;
};

inline constexpr FailureKind FailureKind::kNone{};
inline constexpr FailureKind FailureKind::kBadRequest{facts::kBadRequest};
inline constexpr FailureKind FailureKind::kHeadersTooLarge{facts::kHeadersTooLarge};
inline constexpr FailureKind FailureKind::kUnsupportedVersion{facts::kUnsupportedVersion};
inline constexpr FailureKind FailureKind::kUpgradeRequired{facts::kUpgradeRequired};
inline constexpr FailureKind FailureKind::kUnsupportedCoding{facts::kUnsupportedCoding};
inline constexpr FailureKind FailureKind::kExpectationFailed{facts::kExpectationFailed};
inline constexpr FailureKind FailureKind::kRequestHeadersTimeout{facts::kRequestHeadersTimeout};
inline constexpr FailureKind FailureKind::kDownstreamClosed{facts::kDownstreamClosed};
inline constexpr FailureKind FailureKind::kDownstreamProtocol{facts::kDownstreamProtocol};
inline constexpr FailureKind FailureKind::kRequestTimeout{facts::kRequestTimeout};
inline constexpr FailureKind FailureKind::kDraining{facts::kDraining};
inline constexpr FailureKind FailureKind::kInternal{facts::kInternal};
inline constexpr FailureKind FailureKind::kMemoryShort{facts::kMemoryShort};
inline constexpr FailureKind FailureKind::kConnectRefused{facts::kConnectRefused};
inline constexpr FailureKind FailureKind::kConnectTimeout{facts::kConnectTimeout};
inline constexpr FailureKind FailureKind::kTlsFailed{facts::kTlsFailed};
inline constexpr FailureKind FailureKind::kPeerRefused{facts::kPeerRefused};
inline constexpr FailureKind FailureKind::kUpstreamClosedUnused{facts::kUpstreamClosedUnused};
inline constexpr FailureKind FailureKind::kUpstreamClosedUnread{facts::kUpstreamClosedUnread};
inline constexpr FailureKind FailureKind::kUpstreamClosed{facts::kUpstreamClosed};
inline constexpr FailureKind FailureKind::kUpstreamReset{facts::kUpstreamReset};
inline constexpr FailureKind FailureKind::kUpstreamRefusedStream{facts::kUpstreamRefusedStream};
inline constexpr FailureKind FailureKind::kUpstreamProtocol{facts::kUpstreamProtocol};
inline constexpr FailureKind FailureKind::kUpstreamTruncated{facts::kUpstreamTruncated};

// What went wrong with one request, connection or stream: a small value, passed by copy on the data
// path. Status code, response flag, retry, breaker, log text and metric label are read from the
// facts of its kind.
struct Failure {
  FailureKind kind;
  // A static string that says more than the facts, or empty. Never text that a peer sent.
  const char* detail = "";

  explicit operator bool() const { return !kind.is_none(); }
  const FailureFacts& facts() const { return kind.facts(); }
};

}  // namespace tulle
