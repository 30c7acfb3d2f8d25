#pragma once

#include <string>
#include <string_view>

namespace tulle::telemetry {

// The body of POST /api/v2/spans: the resource by AppendResourceAttribute, and spans by SpanWriter,
// as JSON. Attributes become tags, events annotations. Pure; not for the request path. Source:
// Zipkin API v2; OpenTelemetry's "Zipkin Exporter" mapping.
std::string MakeZipkinSpans(std::string_view resource, std::string_view spans);

}  // namespace tulle::telemetry
