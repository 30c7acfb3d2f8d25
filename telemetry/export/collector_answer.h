// What collectors say in their answers, as the OTLP specification has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/grpc/status.h"
#include "net/loop/loop.h"

namespace tulle::telemetry {

// Records of an accepted batch that were not taken. The answers for spans and log records are the
// same on the wire.
struct PartialSuccess {
  uint64_t rejected = 0;
  std::string message;
};
// Of an ExportTraceServiceResponse or ExportLogsServiceResponse; none, also if it is malformed.
PartialSuccess PartialSuccessIn(std::string_view response);

// google.rpc.RetryInfo among the details of a status: how long to wait, at most 5 minutes. Empty:
// there is none.
std::optional<loop::Duration> RetryDelayIn(const grpc::Status& status);
// Retry-After: seconds or a date, at most 5 minutes. 0: none, or malformed.
loop::Duration RetryAfter(std::string_view text, std::chrono::system_clock::time_point now);

}  // namespace tulle::telemetry
