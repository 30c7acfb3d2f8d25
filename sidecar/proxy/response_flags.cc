#include "sidecar/proxy/response_flags.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace tulle::proxy {
namespace {

constexpr std::pair<std::string_view, std::string_view> kLongNames[] = {
    {"UH", "NoHealthyUpstream"},
    {"BO", "CircuitBreakerOpen"},
    {"UF", "UpstreamConnectionFailure"},
    {"UO", "UpstreamOverflow"},
    {"NR", "NoRouteFound"},
    {"URX", "UpstreamRetryLimitExceeded"},
    {"NC", "NoClusterFound"},
    {"DC", "DownstreamConnectionTermination"},
    {"UT", "UpstreamRequestTimeout"},
    {"UC", "UpstreamConnectionTermination"},
    {"UR", "UpstreamRemoteReset"},
    {"DPE", "DownstreamProtocolError"},
    {"UPE", "UpstreamProtocolError"},
    {"SI", "StreamIdleTimeout"},
    {"DT", "DurationTimeout"},
    {"RL", "RateLimited"},
    {"DI", "DelayInjected"},
    {"UAEX", "UnauthorizedExternalService"},
    {"FI", "FaultInjected"},
};

// Source: gRPC's status codes, spelled as Envoy's access log does.
constexpr std::string_view kGrpcNames[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};

// As gRPC's own constants and OpenTelemetry write them.
constexpr std::string_view kGrpcConstants[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
static_assert(std::size(kGrpcConstants) == std::size(kGrpcNames));

std::string_view LongName(std::string_view flag) {
  for (const auto& [name, full] : kLongNames) {
    if (name == flag) return full;
  }
  return flag;
}

// All that apply, separated by commas; what does not fit is left out.
std::string_view Join(const DecisionRecord& record, bool full, std::span<char> scratch) {
  const std::string_view flags[] = {record.delay_injected ? "DI" : "-", record.failure.facts().flag,
                                    record.retries.exhausted ? "URX" : "-"};
  std::string_view only = "-";
  char* end = scratch.data();
  for (const std::string_view flag : flags) {
    if (flag == "-") continue;
    const std::string_view name = full ? LongName(flag) : flag;
    const bool first = end == scratch.data();
    const auto room = static_cast<size_t>(scratch.data() + scratch.size() - end);
    if (name.size() + 1 > room) break;
    only = first ? name : std::string_view();
    if (!first) *end++ = ',';
    end = std::copy(name.begin(), name.end(), end);
  }
  if (!only.empty()) return only;
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

}  // namespace

std::string_view ResponseFlags(const DecisionRecord& record, std::span<char> scratch) {
  return Join(record, false, scratch);
}

std::string_view LongResponseFlags(const DecisionRecord& record, std::span<char> scratch) {
  return Join(record, true, scratch);
}

int GrpcStatusNumber(std::string_view text) {
  int status = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  const bool known = status >= 0 && status < static_cast<int>(std::size(kGrpcNames));
  return whole && known ? status : -1;
}

std::string_view GrpcStatusName(int status) {
  return status < 0 ? std::string_view() : kGrpcNames[status];
}

std::string_view GrpcStatusConstant(int status) {
  return status < 0 ? std::string_view() : kGrpcConstants[status];
}

}  // namespace tulle::proxy
