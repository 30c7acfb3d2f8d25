#include "sidecar/process/span_export.h"

#include <utility>

#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/dial.h"
#include "telemetry/export/grpc_delivery.h"
#include "telemetry/export/http_delivery.h"
#include "telemetry/export/zipkin_spans.h"
#include "telemetry/otlp_span.h"
#include "telemetry/version.h"

namespace tulle::sidecar {

SpanExport::SpanExport(loop::Loop& main, telemetry::Registry& registry)
    : main_(main), registry_(registry) {}

SpanExport::~SpanExport() = default;

void SpanExport::SetWorkload(std::string name, std::string namespace_name, std::string instance) {
  if (name == name_ && namespace_name == namespace_ && instance == instance_) return;
  name_ = std::move(name);
  namespace_ = std::move(namespace_name);
  instance_ = std::move(instance);
  collectors_.clear();  // created again with the next spans
}

void SpanExport::Reconnect() {
  for (const Collector& collector : collectors_) collector.exporter->Reconnect();
}

bool SpanExport::Submit(const std::shared_ptr<const config::TracingSpec>& collector,
                        std::string& spans, uint64_t count) {
  const size_t size = spans.size();
  if (posted_.fetch_add(size, std::memory_order_relaxed) + size > kMostPosted) {
    posted_.fetch_sub(size, std::memory_order_relaxed);
    return false;
  }
  main_.Post([this, collector, taken = std::exchange(spans, {}), count]() mutable {
    posted_.fetch_sub(taken.size(), std::memory_order_relaxed);
    Add(collector, std::move(taken), count);
  });
  return true;
}

void SpanExport::Add(const std::shared_ptr<const config::TracingSpec>& collector, std::string spans,
                     uint64_t count) {
  ExporterFor(collector).Add(std::move(spans), count);
}

telemetry::SpanExporter& SpanExport::ExporterFor(
    const std::shared_ptr<const config::TracingSpec>& collector) {
  for (auto one = collectors_.begin(); one != collectors_.end(); ++one) {
    if (*one->spec != *collector) continue;
    collectors_.splice(collectors_.begin(), collectors_, one);
    return *collectors_.front().exporter;
  }
  if (collectors_.size() == kMostCollectors) collectors_.pop_back();
  telemetry::SpanExporter::Options options;
  options.resource = ResourceOf(*collector);
  options.encode = collector->protocol == config::TraceProtocol::kZipkin
                       ? telemetry::MakeZipkinSpans
                       : telemetry::MakeExportRequest;
  collectors_.push_front({collector, std::make_unique<telemetry::SpanExporter>(
                                         main_, NewDelivery(*collector), options, registry_)});
  return *collectors_.front().exporter;
}

std::unique_ptr<telemetry::SpanDelivery> SpanExport::NewDelivery(
    const config::TracingSpec& collector) {
  const std::string authority =
      collector.authority.empty() ? collector.cluster : collector.authority;
  const std::string scheme = UsesTls(collector) ? "https" : "http";
  auto connect = [this, cluster = collector.cluster, turn = size_t{0}]() mutable {
    return Dial(cluster, turn);
  };
  if (collector.protocol == config::TraceProtocol::kOtlpGrpc) {
    return std::make_unique<telemetry::GrpcDelivery>(
        main_, std::move(connect),
        telemetry::GrpcDelivery::Options{authority, scheme, collector.headers});
  }
  const bool is_zipkin = collector.protocol == config::TraceProtocol::kZipkin;
  return std::make_unique<telemetry::HttpDelivery>(
      main_, std::move(connect),
      telemetry::HttpDelivery::Options{authority, scheme, collector.http_path,
                                       is_zipkin ? "application/json" : "application/x-protobuf",
                                       collector.headers});
}

std::unique_ptr<Transport> SpanExport::Dial(const std::string& name, size_t& turn) {
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

bool SpanExport::UsesTls(const config::TracingSpec& collector) const {
  const config::Snapshot* snapshot = snapshot_ ? snapshot_() : nullptr;
  if (snapshot == nullptr) return false;
  const auto found = snapshot->clusters.find(collector.cluster);
  if (found == snapshot->clusters.end()) return collector.cluster == kControlPlane;
  return found->second->transport_sockets.front().tls != nullptr;
}

std::string SpanExport::ResourceOf(const config::TracingSpec& collector) const {
  std::string service = collector.service_name.empty() ? name_ : collector.service_name;
  if (service.empty()) service = "unknown_service";
  std::string resource;
  telemetry::AppendResourceAttribute("service.name", service, resource);
  telemetry::AppendResourceAttribute("service.namespace", namespace_, resource);
  telemetry::AppendResourceAttribute("service.instance.id", instance_, resource);
  telemetry::AppendResourceAttribute("telemetry.sdk.name", "tulle", resource);
  telemetry::AppendResourceAttribute("telemetry.sdk.language", "cpp", resource);
  telemetry::AppendResourceAttribute("telemetry.sdk.version", telemetry::kVersion, resource);
  return resource;
}

}  // namespace tulle::sidecar
