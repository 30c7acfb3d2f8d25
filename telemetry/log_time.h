#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::telemetry {

// Adds the moment (nanoseconds since the epoch, shown in UTC) as Envoy's %START_TIME(FORMAT)% does:
// strftime's conversions, and %s seconds, %f nanoseconds, %Nf the first N digits of the fraction.
// Empty: 2026-01-31T10:00:33.031Z. Allocates nothing if `out` has room.
void AppendTime(std::string& out, std::string_view format, int64_t nanoseconds);

}  // namespace tulle::telemetry
