// What a message of a sidecar takes to be parsed and looked at, told from its bytes before it is:
// two bytes on the wire can become a record of hundreds in memory. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tulle::insight {

// Roughly 32 of it take a microsecond. One that is heavier is refused: an answer of 1,000 records
// with all their decisions has about 160,000, and a batch of spans 60,000. Of records without
// anything in them, it is 4,096.
inline constexpr size_t kHeaviestMessage = 256 * 1024;

// Absent: it is none. Of one that is too heavy, more than kHeaviestMessage.
std::optional<size_t> WeightOfReport(std::string_view bytes);  // of a FromSidecar
std::optional<size_t> WeightOfSpans(std::string_view bytes);   // of an ExportTraceServiceRequest

}  // namespace tulle::insight
