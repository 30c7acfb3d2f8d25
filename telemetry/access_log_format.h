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

// What can be written of a request or connection. Source: Envoy's access log command operators;
// each has one or more names there, listed in access_log_operators.cc.
enum class LogOperator : uint8_t {
  kAlwaysAbsent,  // known, but nothing here has a value for it
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
};

// One operator of a format with its arguments.
struct LogField {
  LogOperator op = LogOperator::kAlwaysAbsent;
  std::string name;         // header: looked for first; start time: strftime's format
  std::string alternative;  // header: looked for when the first is absent
  size_t longest = 0;       // characters kept; 0: all
};

// What a format asks while it writes a line.
class LogValues {
 public:
  static constexpr size_t kScratch = 256;
  using Scratch = std::span<char, kScratch>;

  virtual ~LogValues() = default;
  // The text of `field`, unescaped; empty: absent. What is not kept elsewhere is written to
  // `scratch`. Never asked for kStartTime and kAlwaysAbsent.
  virtual std::string_view Value(const LogField& field, Scratch scratch) const = 0;
  // Since the epoch.
  virtual int64_t StartNanoseconds() const = 0;
};

// A compiled format of an access log: text with %OPERATOR(ARGUMENTS):LENGTH%, or a JSON object of
// such texts. Immutable, shared by threads. Formatting allocates nothing if the line's string has
// room.
//
// Whatever a stranger sent (fault 88): text lines escape quotes, backslashes, control characters
// and everything beyond ASCII as \xHH, JSON as \u00HH, so that a value can neither end its field
// nor its line, nor speak to a terminal.
class AccessLogFormat {
 public:
  // Longer values are cut.
  static constexpr size_t kLongestValue = 4096;

  // An operator that is not known is an error that names it.
  static absl::StatusOr<AccessLogFormat> Text(std::string_view format);
  // Keys in the order given. A value that is a single operator with a number is written as number,
  // an absent single operator as null.
  static absl::StatusOr<AccessLogFormat> Json(
      std::span<const std::pair<std::string, std::string>> fields);

  // Adds one line. JSON lines end with a newline; text lines end as the format says, Envoy's way.
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

// Envoy's line, used where a log has no format of its own; and Istio's.
extern const std::string_view kEnvoyLine;
extern const std::string_view kIstioLine;

}  // namespace tulle::telemetry
