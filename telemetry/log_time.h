#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::telemetry {

// Appends the time (nanoseconds since the epoch, in UTC) like Envoy's %START_TIME(FORMAT)%:
// strftime's conversions, and %s seconds, %f nanoseconds, %Nf the first N digits of the fraction.
// Empty format: 2026-01-31T10:00:33.031Z. Does not allocate if `out` has capacity.
void AppendTime(std::string& out, std::string_view format, int64_t nanoseconds);

}  // namespace tulle::telemetry
