#include "sidecar/config/tracing_config.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/config/trace/v3/zipkin.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "sidecar/config/collector_config.h"

namespace tulle::config {
namespace {

namespace http_manager_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
using Tracing = http_manager_v3::HttpConnectionManager_Tracing;
using envoy::config::trace::v3::OpenTelemetryConfig;
using envoy::config::trace::v3::ZipkinConfig;

// 87600 h, as the longest duration of a policy.
constexpr uint64_t kLongestMilliseconds = 315360000000;
// Of OTLP over HTTP, unless the URI has another.
constexpr std::string_view kTracesPath = "/v1/traces";

absl::StatusOr<uint32_t> PerMillion(bool present, double percent, const FieldPath& at) {
  if (!present) return uint32_t{1000000};
  if (!(percent >= 0 && percent <= 100)) return at.Error("must be 0 to 100");
  return static_cast<uint32_t>(std::lround(percent * 10000));
}

absl::Status ReadSampling(const Tracing& tracing, const FieldPath& at, TracingSpec& spec) {
  auto client = PerMillion(tracing.has_client_sampling(), tracing.client_sampling().value(),
                           at / "client_sampling.value");
  auto random = PerMillion(tracing.has_random_sampling(), tracing.random_sampling().value(),
                           at / "random_sampling.value");
  auto overall = PerMillion(tracing.has_overall_sampling(), tracing.overall_sampling().value(),
                            at / "overall_sampling.value");
  for (const auto* one : {&client, &random, &overall}) {
    if (!one->ok()) return one->status();
  }
  spec.client_sampling = *client;
  spec.random_sampling = *random;
  spec.overall_sampling = *overall;
  return absl::OkStatus();
}

absl::Status ReadProviderOf(const OpenTelemetryConfig& config, const FieldPath& at,
                            CollectorSpec& spec) {
  spec.service_name = config.service_name();
  if (config.has_http_service())
    return ReadCollector(config.http_service(), kTracesPath, at / "http_service", spec);
  return ReadCollector(config.grpc_service(), at / "grpc_service", spec);
}

// Of the versions of Zipkin's API only one is in use.
absl::Status ReadProviderOf(const ZipkinConfig& config, const FieldPath& at, CollectorSpec& spec) {
  spec.protocol = ExportProtocol::kZipkin;
  spec.cluster = config.collector_cluster();
  if (spec.cluster.empty()) return (at / "collector_cluster").Error("is required");
  spec.http_path = config.collector_endpoint();
  if (!spec.http_path.starts_with('/'))
    return (at / "collector_endpoint").Error("must be a path, like /api/v2/spans");
  spec.authority = config.collector_hostname();
  if (config.collector_endpoint_version() != ZipkinConfig::HTTP_JSON) {
    return (at / "collector_endpoint_version")
        .Error("is not implemented: use HTTP_JSON, which every Zipkin collector accepts");
  }
  return absl::OkStatus();
}

absl::Status ReadProvider(const google::protobuf::Any& provider, const FieldPath& at,
                          CollectorSpec& spec) {
  OpenTelemetryConfig open_telemetry;
  if (provider.UnpackTo(&open_telemetry)) return ReadProviderOf(open_telemetry, at, spec);
  ZipkinConfig zipkin;
  if (provider.UnpackTo(&zipkin)) return ReadProviderOf(zipkin, at, spec);
  return at.Error(absl::StrCat("'", provider.type_url(),
                               "' is not implemented: use envoy.config.trace.v3."
                               "OpenTelemetryConfig or envoy.config.trace.v3.ZipkinConfig"));
}

void ReadTags(const Tracing& tracing, const FieldPath& at, TracingSpec& spec,
              std::vector<std::string>* notes) {
  for (int i = 0; i < tracing.custom_tags_size(); ++i) {
    const auto& tag = tracing.custom_tags(i);
    if (tag.has_literal()) {
      spec.literal_tags.emplace_back(tag.tag(), tag.literal().value());
    } else if (tag.has_request_header()) {
      spec.header_tags.emplace_back(tag.tag(), tag.request_header().name());
    } else {
      notes->push_back((at / "custom_tags")[static_cast<size_t>(i)].text());
    }
  }
}

// Leaves `value` if there is no such field.
absl::Status ReadWhole(const google::protobuf::Struct& own, const char* name, uint64_t most,
                       const FieldPath& at, uint64_t* value) {
  const auto found = own.fields().find(name);
  if (found == own.fields().end()) return absl::OkStatus();
  const double number = found->second.number_value();
  if (!found->second.has_number_value() || !(number >= 0 && number <= static_cast<double>(most)) ||
      number != std::floor(number))
    return (at / name).Error(absl::StrCat("must be a whole number from 0 to ", most));
  *value = static_cast<uint64_t>(number);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadOwnTracing(const envoy::config::core::v3::Metadata& metadata, const FieldPath& at,
                            std::shared_ptr<const TracingSpec>& tracing) {
  const auto all = metadata.filter_metadata().find("tulle");
  if (tracing == nullptr || all == metadata.filter_metadata().end()) return absl::OkStatus();
  const auto found = all->second.fields().find("tracing");
  if (found == all->second.fields().end()) return absl::OkStatus();
  const FieldPath here = at / "filter_metadata.tulle.tracing";
  const google::protobuf::Struct& own = found->second.struct_value();
  if (!found->second.has_struct_value()) return here.Error("must be an object");
  auto spec = std::make_shared<TracingSpec>(*tracing);
  if (const auto field = own.fields().find("always_on_error"); field != own.fields().end()) {
    if (!field->second.has_bool_value())
      return (here / "always_on_error").Error("must be true or false");
    spec->always_on_error = field->second.bool_value();
  }
  uint64_t slower_than = 0;
  uint64_t traces_per_second = 0;
  auto status = ReadWhole(own, "slower_than_ms", kLongestMilliseconds, here, &slower_than);
  status.Update(ReadWhole(own, "traces_per_second", 1000000, here, &traces_per_second));
  if (!status.ok()) return status;
  spec->slower_than = Milliseconds(slower_than);
  spec->traces_per_second = static_cast<uint32_t>(traces_per_second);
  tracing = std::move(spec);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const TracingSpec>> ToTracing(const Tracing& tracing,
                                                             const FieldPath& at,
                                                             std::vector<std::string>* notes) {
  if (!tracing.has_provider()) return nullptr;
  const FieldPath here = at / "provider.typed_config";
  auto spec = std::make_shared<TracingSpec>();
  auto collector = std::make_shared<CollectorSpec>();
  auto status = ReadProvider(tracing.provider().typed_config(), here, *collector);
  status.Update(ReadSampling(tracing, at, *spec));
  if (!status.ok()) return status;
  spec->collector = std::move(collector);
  ReadTags(tracing, at, *spec, notes);
  spec->span_per_attempt = tracing.spawn_upstream_span().value();
  if (tracing.has_max_path_tag_length()) spec->longest_path = tracing.max_path_tag_length().value();
  return spec;
}

}  // namespace tulle::config
