#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/failure.h"
#include "net/http/header_map.h"
#include "net/loop/loop.h"

// gRPC's headers and trailers. Source: gRPC over HTTP/2 (PROTOCOL-HTTP2.md).
namespace tulle::grpc {

enum class Code : uint8_t {
  kOk,
  kCancelled,
  kUnknown,
  kInvalidArgument,
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,
  kFailedPrecondition,
  kAborted,
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,
  kDataLoss,
  kUnauthenticated,
};

struct Status {
  Code code = Code::kOk;
  std::string message;
  // What grpc-status-details-bin adds: a google.rpc.Status, serialized. Not sent by AddStatus.
  std::string details{};
  bool ok() const { return code == Code::kOk; }
};

// grpc-message: everything outside 0x20..0x7E, and '%', as %XX. Decoding keeps malformed text
// unchanged.
std::string EncodeMessage(std::string_view message);
std::string DecodeMessage(std::string_view encoded);

// grpc-timeout: 1 to 8 digits and a unit of H M S m u n. Empty: malformed, treated as no timeout.
std::optional<loop::Duration> ParseTimeout(std::string_view text);
// The finest unit that fits, rounded up; at least "1n".
std::string FormatTimeout(loop::Duration timeout);

// From trailers, or the headers of a Trailers-Only response; empty without grpc-status. An unknown
// number is kUnknown.
std::optional<Status> StatusFrom(const http::HeaderMap& fields);
void AddStatus(const Status& status, http::HeaderMap& fields);
// A number of the list above; empty: anything else.
std::optional<Code> ParseCode(std::string_view text);
// For a response without grpc-status.
Code CodeOfHttp(int status);
// The HTTP status that a code corresponds to, where HTTP statuses are compared or a caller does not
// use gRPC. Source: google.rpc.Code, as in Envoy.
int HttpOfCode(Code code);
Status StatusOfFailure(Failure failure);

}  // namespace tulle::grpc
