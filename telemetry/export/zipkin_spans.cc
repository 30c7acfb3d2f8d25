#include "telemetry/export/zipkin_spans.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "telemetry/otlp_request.h"

namespace tulle::telemetry {
namespace {

using opentelemetry::proto::common::v1::AnyValue;
using opentelemetry::proto::common::v1::KeyValue;
using opentelemetry::proto::trace::v1::Span;
using opentelemetry::proto::trace::v1::Status;
using Json = nlohmann::json;
using Attributes = google::protobuf::RepeatedPtrField<KeyValue>;

constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

// SpanWriter writes texts and whole numbers. Tags are texts.
std::string TextOf(const AnyValue& value) {
  return value.has_string_value() ? value.string_value() : std::to_string(value.int_value());
}

std::string Find(const Attributes& attributes, std::string_view key) {
  for (const KeyValue& one : attributes) {
    if (one.key() == key) return TextOf(one.value());
  }
  return "";
}

Json EndpointOf(const std::string& address, const std::string& port) {
  Json endpoint = Json::object();
  if (address.empty()) return endpoint;
  endpoint[address.find(':') == std::string::npos ? "ipv4" : "ipv6"] = address;
  if (!port.empty()) endpoint["port"] = std::stoul(port);
  return endpoint;
}

Json RemoteOf(const Span& span) {
  return EndpointOf(Find(span.attributes(), "network.peer.address"),
                    Find(span.attributes(), "network.peer.port"));
}

// `event {"key":"value"}`, as OpenTelemetry writes an event with attributes.
std::string AnnotationOf(const Span::Event& event) {
  if (event.attributes().empty()) return event.name();
  Json attributes = Json::object();
  for (const KeyValue& one : event.attributes()) attributes[one.key()] = TextOf(one.value());
  return Json{{event.name(), attributes}}.dump();
}

Json TagsOf(const Span& span, const Attributes& resource) {
  Json tags = Json::object();
  for (const KeyValue& one : resource) {
    if (one.key() != "service.name") tags[one.key()] = TextOf(one.value());
  }
  for (const KeyValue& one : span.attributes()) tags[one.key()] = TextOf(one.value());
  if (span.status().code() != Status::STATUS_CODE_ERROR) return tags;
  tags["otel.status_code"] = "ERROR";
  tags["error"] = span.status().message().empty() ? "true" : span.status().message();
  return tags;
}

Json ZipkinSpan(const Span& span, const Attributes& resource) {
  const uint64_t start = span.start_time_unix_nano() / kNanosecondsPerMicrosecond;
  const uint64_t end = span.end_time_unix_nano() / kNanosecondsPerMicrosecond;
  Json json = {{"traceId", absl::BytesToHexString(span.trace_id())},
               {"id", absl::BytesToHexString(span.span_id())},
               {"kind", span.kind() == Span::SPAN_KIND_SERVER ? "SERVER" : "CLIENT"},
               {"name", span.name()},
               {"timestamp", start},
               {"duration", std::max<uint64_t>(end - start, 1)},  // 0 would mean that it is unknown
               {"localEndpoint", {{"serviceName", Find(resource, "service.name")}}},
               {"tags", TagsOf(span, resource)}};
  if (!span.parent_span_id().empty())
    json["parentId"] = absl::BytesToHexString(span.parent_span_id());
  if (Json remote = RemoteOf(span); !remote.empty()) json["remoteEndpoint"] = std::move(remote);
  for (const Span::Event& event : span.events()) {
    json["annotations"].push_back(
        {{"timestamp", event.time_unix_nano() / kNanosecondsPerMicrosecond},
         {"value", AnnotationOf(event)}});
  }
  return json;
}

}  // namespace

std::string MakeZipkinSpans(std::string_view resource, std::string_view spans) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  Json json = Json::array();
  if (!request.ParseFromString(MakeExportRequest(resource, spans))) return json.dump();
  for (const auto& part : request.resource_spans()) {
    for (const auto& scope : part.scope_spans()) {
      for (const Span& span : scope.spans())
        json.push_back(ZipkinSpan(span, part.resource().attributes()));
    }
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tulle::telemetry
