#include "sidecar/process/collector_export.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/dial.h"
#include "telemetry/export/grpc_delivery.h"
#include "telemetry/export/http_delivery.h"
#include "telemetry/export/zipkin_spans.h"
#include "telemetry/families.h"
#include "telemetry/otlp_request.h"
#include "telemetry/version.h"

namespace tulle::sidecar {

CollectorExport::CollectorExport(loop::Loop& main, telemetry::Registry& registry,
                                 telemetry::Log& log)
    : main_(main), registry_(registry), log_(log) {
  // From the start: rate() does not see the increase that begins a series.
  registry.CounterRow(telemetry::kSpansSent);
  registry.CounterRow(telemetry::kAccessLogSent);
}

CollectorExport::~CollectorExport() = default;

void CollectorExport::SetWorkload(std::string name, std::string namespace_name,
                                  std::string instance) {
  if (name == name_ && namespace_name == namespace_ && instance == instance_) return;
  name_ = std::move(name);
  namespace_ = std::move(namespace_name);
  instance_ = std::move(instance);
  collectors_.clear();  // created again with the next spans
}

void CollectorExport::Reconnect() {
  for (const Collector& collector : collectors_) collector.exporter->Reconnect();
}

bool CollectorExport::Submit(const std::shared_ptr<const config::CollectorSpec>& collector,
                             std::string& records, uint64_t count, bool errors) {
  const size_t most = errors ? kMostPostedErrors : kMostPosted;
  const size_t size = records.size();
  std::atomic<size_t>& posted = posted_[static_cast<size_t>(collector->signal)];
  if (posted.fetch_add(size, std::memory_order_relaxed) + size > most) {
    posted.fetch_sub(size, std::memory_order_relaxed);
    return false;
  }
  main_.Post(
      [this, collector, &posted, taken = std::exchange(records, {}), count, errors]() mutable {
        posted.fetch_sub(taken.size(), std::memory_order_relaxed);
        Add(collector, std::move(taken), count, errors);
      });
  return true;
}

void CollectorExport::Add(const std::shared_ptr<const config::CollectorSpec>& collector,
                          std::string records, uint64_t count, bool errors) {
  ExporterFor(collector).Add(std::move(records), count, errors);
}

telemetry::BatchExporter& CollectorExport::ExporterFor(
    const std::shared_ptr<const config::CollectorSpec>& collector) {
  for (auto one = collectors_.begin(); one != collectors_.end(); ++one) {
    if (*one->spec != *collector) continue;
    collectors_.splice(collectors_.begin(), collectors_, one);
    return *collectors_.front().exporter;
  }
  if (collectors_.size() == kMostCollectors) collectors_.pop_back();
  collectors_.push_front(
      {collector, std::make_unique<telemetry::BatchExporter>(main_, NewDelivery(*collector),
                                                             OptionsFor(*collector), registry_)});
  return *collectors_.front().exporter;
}

telemetry::BatchExporter::Options CollectorExport::OptionsFor(
    const config::CollectorSpec& collector) const {
  const bool is_logs = collector.signal == config::Signal::kLogs;
  return {.resource = ResourceOf(collector),
          .encode = collector.protocol == config::ExportProtocol::kZipkin
                        ? telemetry::MakeZipkinSpans
                        : telemetry::MakeExportRequest,
          .sent = is_logs ? telemetry::kAccessLogSent : telemetry::kSpansSent,
          .dropped = is_logs ? telemetry::kAccessLogDropped : telemetry::kSpansDropped,
          .on_refused = [this, collector](uint64_t count, std::string_view why) {
            TellRefused(collector, count, why);
          }};
}

void CollectorExport::TellRefused(const config::CollectorSpec& collector, uint64_t count,
                                  std::string_view why) const {
  const bool is_logs = collector.signal == config::Signal::kLogs;
  log_.Write(
      telemetry::LogLevel::kWarning, telemetry::LogComponent::kMain,
      absl::StrCat("the collector of cluster ", collector.cluster, " did not take ", count,
                   is_logs ? " log records" : " spans", why.empty() ? "" : ": ",
                   absl::string_view(why.data(), why.size()), "; see the collector's own log, and ",
                   is_logs ? "tulle_access_log_dropped_lines_total" : "tulle_spans_dropped_total",
                   " for how many there are"));
}

std::unique_ptr<telemetry::Delivery> CollectorExport::NewDelivery(
    const config::CollectorSpec& collector) {
  const std::string authority =
      collector.authority.empty() ? collector.cluster : collector.authority;
  const std::string scheme = UsesTls(collector) ? "https" : "http";
  auto connect = [this, cluster = collector.cluster, turn = size_t{0}]() mutable {
    return Dial(cluster, turn);
  };
  if (collector.protocol == config::ExportProtocol::kOtlpGrpc) {
    return std::make_unique<telemetry::GrpcDelivery>(
        main_, std::move(connect),
        telemetry::GrpcDelivery::Options{collector.signal == config::Signal::kLogs
                                             ? telemetry::GrpcDelivery::kExportLogs
                                             : telemetry::GrpcDelivery::kExportTraces,
                                         authority, scheme, collector.headers});
  }
  const bool is_zipkin = collector.protocol == config::ExportProtocol::kZipkin;
  return std::make_unique<telemetry::HttpDelivery>(
      main_, std::move(connect),
      telemetry::HttpDelivery::Options{authority, scheme, collector.http_path,
                                       is_zipkin ? "application/json" : "application/x-protobuf",
                                       collector.headers});
}

std::unique_ptr<Transport> CollectorExport::Dial(const std::string& name, size_t& turn) {
  const config::Snapshot* snapshot = snapshot_ ? snapshot_() : nullptr;
  const upstream::ClusterSpec* cluster = nullptr;
  if (snapshot != nullptr) {
    const auto found = snapshot->clusters.find(name);
    if (found != snapshot->clusters.end()) cluster = found->second.get();
  }
  if (cluster == nullptr)
    return name == kControlPlane && control_plane_ ? control_plane_() : nullptr;
  const upstream::EndpointSet* set = cluster->static_endpoints.get();
  if (cluster->uses_eds) {
    const auto found = snapshot->endpoints.find(cluster->eds_name);
    if (found != snapshot->endpoints.end()) set = found->second.get();
  }
  if (set == nullptr || set->endpoints.empty()) return nullptr;
  return upstream::Dial(main_, *cluster, set->endpoints[turn++ % set->endpoints.size()],
                        cluster->transport_sockets.front());
}

bool CollectorExport::UsesTls(const config::CollectorSpec& collector) const {
  const config::Snapshot* snapshot = snapshot_ ? snapshot_() : nullptr;
  if (snapshot == nullptr) return false;
  const auto found = snapshot->clusters.find(collector.cluster);
  if (found == snapshot->clusters.end()) return collector.cluster == kControlPlane;
  return found->second->transport_sockets.front().tls != nullptr;
}

std::string CollectorExport::ResourceOf(const config::CollectorSpec& collector) const {
  std::string service = collector.service_name.empty() ? name_ : collector.service_name;
  if (service.empty()) service = "unknown_service";
  std::map<std::string_view, std::string_view> attributes = {
      {"service.name", service},          {"service.namespace", namespace_},
      {"service.instance.id", instance_}, {"telemetry.sdk.name", "tulle"},
      {"telemetry.sdk.language", "cpp"},  {"telemetry.sdk.version", telemetry::kVersion}};
  for (const auto& [key, value] : collector.resource) attributes[key] = value;
  std::string resource;
  for (const auto& [key, value] : attributes)
    telemetry::AppendResourceAttribute(key, value, resource);
  return resource;
}

}  // namespace tulle::sidecar
