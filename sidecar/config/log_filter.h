#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sidecar/match/header_match.h"

// Which requests and connections an access log has. Immutable. Source:
// envoy.config.accesslog.v3.AccessLogFilter.
namespace tulle::config {

struct LogFilter;

enum class Comparison : uint8_t { kEqual, kAtLeast, kAtMost, kNotEqual };

// The status sent downstream; 0: none, or a TCP connection.
struct StatusFilter {
  Comparison comparison = Comparison::kEqual;
  uint32_t status = 0;
};
struct DurationFilter {
  Comparison comparison = Comparison::kEqual;
  uint32_t milliseconds = 0;
};
// Any of these flags; empty: any flag at all.
struct FlagFilter {
  std::vector<std::string> flags;
};
// Requests without a gRPC status have the one that their HTTP status stands for.
struct GrpcStatusFilter {
  uint32_t statuses = 0;  // a bit for each
  bool exclude = false;
};
// A random part of all.
struct ShareFilter {
  uint32_t per_million = 0;
};
// Requests whose spans are sent.
struct TracedFilter {};
// Requests alone: a TCP connection has no headers.
struct HeaderFilter {
  match::HeaderMatch header;
};
// Empty: all pass.
struct AllOf {
  std::vector<LogFilter> parts;
};
struct AnyOf {
  std::vector<LogFilter> parts;
};

struct LogFilter {
  std::variant<AllOf, AnyOf, StatusFilter, DurationFilter, FlagFilter, GrpcStatusFilter,
               ShareFilter, TracedFilter, HeaderFilter>
      kind;
};

}  // namespace tulle::config
