#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
  kRequestedServerName,
  kFilterChainName,
  kHostname,
  kTraceId,
  kCause,
};

// One operator of a format with its arguments.
struct LogField {
  LogOperator op = LogOperator::kAlwaysAbsent;
  std::string name;         // header: tried first; start time: strftime's format
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

// A compiled access log format: text with %OPERATOR(ARGUMENTS):LENGTH%, or a JSON object of such
// texts. Immutable, shared by threads. Formatting does not allocate if the line's string has
// capacity.
//
// Untrusted values cannot break the log: text lines escape quotes, backslashes, control
// characters and everything beyond ASCII as \xHH, JSON as \u00HH, so that a value can end neither
// its field nor its line, nor send commands to a terminal.
class AccessLogFormat {
 public:
  // Longer values are truncated.
  static constexpr size_t kLongestValue = 4096;

  // An unknown operator is an error that names it.
  static absl::StatusOr<AccessLogFormat> Text(std::string_view format);
  // Keys in the order given. A value that is a single operator with a number is written as a
  // number, an absent single operator as null.
  static absl::StatusOr<AccessLogFormat> Json(
      std::span<const std::pair<std::string, std::string>> fields);

  // Appends one line. JSON lines end with a newline; text lines end as the format says, as in
  // Envoy.
  void Append(const LogValues& values, std::string& out) const;

 private:
  using Piece = std::variant<std::string, LogField>;
  using Pieces = std::vector<Piece>;
  struct JsonField {
    std::string key;  // quoted, with colon
    Pieces pieces;
  };

  static absl::StatusOr<Pieces> Compile(std::string_view format);
  static void AppendPieces(const Pieces& pieces, const LogValues& values, bool json,
                           std::string& out);
  static void AppendJsonValue(const Pieces& pieces, const LogValues& values, std::string& out);

  bool json_ = false;
  Pieces text_;
  std::vector<JsonField> fields_;
};

// Envoy's default format, used for logs without a format of their own; and Istio's.
extern const std::string_view kEnvoyLine;
extern const std::string_view kIstioLine;

}  // namespace tulle::telemetry
