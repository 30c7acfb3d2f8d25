#pragma once

#include <string>
#include <string_view>

namespace tulle::telemetry {

// One attribute of a resource. An empty value is omitted.
void AppendResourceAttribute(std::string_view key, std::string_view value, std::string& resource);
// The complete request around records: spans that SpanWriter wrote make an
// ExportTraceServiceRequest, log records by LogRecordFormat an ExportLogsServiceRequest; the two
// have the same fields.
std::string MakeExportRequest(std::string_view resource, std::string_view records);

}  // namespace tulle::telemetry
