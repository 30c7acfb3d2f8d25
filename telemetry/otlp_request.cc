#include "telemetry/otlp_request.h"

#include "telemetry/otlp_wire.h"
#include "telemetry/version.h"

namespace tulle::telemetry {

void AppendResourceAttribute(std::string_view key, std::string_view value, std::string& resource) {
  if (!value.empty()) otlp::PutAttribute(1, key, value, resource);
}

std::string MakeExportRequest(std::string_view resource, std::string_view records) {
  std::string request;
  request.reserve(resource.size() + records.size() + 128);
  const size_t one_resource = otlp::OpenMessage(1, request);
  otlp::PutText(1, resource, request);
  const size_t one_scope = otlp::OpenMessage(2, request);
  const size_t scope = otlp::OpenMessage(1, request);
  otlp::PutText(1, "tulle", request);
  otlp::PutText(2, kVersion, request);
  otlp::CloseMessage(scope, request);
  request.append(records);
  otlp::CloseMessage(one_scope, request);
  otlp::CloseMessage(one_resource, request);
  return request;
}

}  // namespace tulle::telemetry
