#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::telemetry {

// The values that can be logged of a request or connection. Source: Envoy's access log command
// operators, one or more names for each, listed in access_log_operators.cc; kCause is our own.
enum class LogOperator : uint8_t {
  kAlwaysAbsent,  // known, but never has a value here
  kStartTime,
  kRequestHeader,
  kResponseHeader,
  kResponseTrailer,
  kProtocol,
  kResponseCode,
  kResponseCodeDetails,
  kResponseFlags,
  kResponseFlagsLong,
  kGrpcStatus,
  kGrpcStatusNumber,
  kBytesReceived,
  kBytesSent,
  kDuration,
  kRequestDuration,
  kResponseDuration,
  kResponseTxDuration,
  kRouteName,
  kUpstreamCluster,
  kUpstreamHost,
  kUpstreamLocalAddress,
  kUpstreamTransportFailureReason,
  kUpstreamRequestAttemptCount,
  kUpstreamPeerUriSan,
  kUpstreamTlsVersion,
  kUpstreamTlsCipher,
  kUpstreamProtocol,
  kConnectionTerminationDetails,
  kDownstreamRemoteAddress,
  kDownstreamRemoteAddressWithoutPort,
  kDownstreamRemotePort,
  kDownstreamLocalAddress,
  kDownstreamLocalAddressWithoutPort,
  kDownstreamLocalPort,
  kDownstreamPeerUriSan,
  kDownstreamPeerSubject,
  kDownstreamPeerFingerprint,
  kDownstreamPeerIssuer,
  kDownstreamPeerSerial,
  kDownstreamPeerValidFrom,
  kDownstreamPeerValidUntil,
  kDownstreamLocalUriSan,
  kDownstreamTlsVersion,
  kDownstreamTlsCipher,
  kConnectionId,
  kRequestedServerName,
  kFilterChainName,
  kHostname,
  kTraceId,
  kSpanId,
  kStreamId,
  kLocalReplyBody,
  kAccessLogType,
  kCause,
};

// One operator of a format with its arguments.
struct LogField {
  LogOperator op = LogOperator::kAlwaysAbsent;
  std::string name;         // header: tried first; times: strftime's format
  std::string alternative;  // header: tried when the first is absent
  size_t longest = 0;       // characters kept; 0: all
};

// The source of values while a line is formatted.
class LogValues {
 public:
  static constexpr size_t kScratch = 256;
  using Scratch = std::span<char, kScratch>;

  virtual ~LogValues() = default;
  // The text of `field`, unescaped; empty: absent. Values that are not stored elsewhere are written
  // to `scratch`. Never called for kStartTime and kAlwaysAbsent.
  virtual std::string_view Value(const LogField& field, Scratch scratch) const = 0;
  // Since the epoch.
  virtual int64_t StartNanoseconds() const = 0;
};

// A compiled text with %OPERATOR(ARGUMENTS):LENGTH%. Immutable, shared by threads. Writing does not
// allocate if the string has capacity.
class LogTemplate {
 public:
  // Longer values are truncated.
  static constexpr size_t kLongestValue = 4096;

  // An unknown operator is an error that names it.
  static absl::StatusOr<LogTemplate> Compile(std::string_view format);

  // Appends the text with its values escaped: quotes, backslashes, control characters and
  // everything beyond ASCII as \xHH.
  void AppendText(const LogValues& values, std::string& out) const;
  // Appends the inside of a JSON string.
  void AppendJson(const LogValues& values, std::string& out) const;

  // For those that are a single operator with a value, not a text around it. `number`: its digits,
  // if the operator has numbers; empty: write it as text.
  struct Single {
    bool is_absent = false;
    std::string_view number;
  };
  // Nothing: not a single operator.
  std::optional<Single> ReadSingle(const LogValues& values, LogValues::Scratch scratch) const;

 private:
  using Piece = std::variant<std::string, LogField>;

  std::vector<Piece> pieces_;
};

}  // namespace tulle::telemetry
