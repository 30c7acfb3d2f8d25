#include "absl/strings/str_cat.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/breaker_json.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/api/prometheus_targets.h"

namespace tulle::api {
namespace {

Json EndpointJson(const discovery::Endpoint& endpoint, const OpenEndpoints::Seen* open) {
  Json json = {{"address", endpoint.address},
               {"port", endpoint.port},
               {"workload", endpoint.workload->id},
               {"health", HealthText(endpoint.workload->health)},
               {"meshed", endpoint.workload->is_meshed},
               {"spiffeId", endpoint.workload->spiffe_id}};
  if (open != nullptr) json["openBreakers"] = SeenJson(*open);
  return json;
}

std::string AddressOf(const discovery::Endpoint& endpoint) {
  const bool is_v6 = endpoint.address.find(':') != std::string::npos;
  return absl::StrCat(is_v6 ? "[" + endpoint.address + "]" : endpoint.address, ":", endpoint.port);
}

}  // namespace

const char* HealthText(discovery::Health health) {
  switch (health) {
    case discovery::Health::kHealthy:
      return "healthy";
    case discovery::Health::kUnhealthy:
      return "unhealthy";
    case discovery::Health::kDraining:
      break;
  }
  return "draining";
}

Routes MeshResource::routes() {
  return {
      {"GET",
       "/v1/services",
       Access::kReader,
       "List services with their ports, endpoints and identities",
       By(this, &MeshResource::Services),
       {{"namespace", "only services of this namespace"}}},
      {"GET",
       "/v1/hosts",
       Access::kReader,
       "List the virtual addresses of services and the names that lead to them",
       By(this, &MeshResource::Hosts),
       {{"namespace", "namespace of the caller, whose services have short names"}}},
      {"GET", "/v1/prometheus/targets", Access::kReader,
       "List the metrics listeners of sidecars as Prometheus' HTTP service discovery takes them",
       By(this, &MeshResource::MetricsTargets)},
  };
}

ApiResponse MeshResource::Services(const Call& call) {
  const std::string ns = call.QueryOr("namespace", "");
  const OpenEndpoints open(view_->OpenBreakers());
  Json json = {{"items", Json::array()}};
  for (const auto& [name, service] : view_->Services()) {
    if (!ns.empty() && name.ns != ns) continue;
    Json each = {{"name", name.name},
                 {"namespace", name.ns},
                 {"host", discovery::HostOf(name)},
                 {"identities", service.identities},
                 {"ports", Json::array()}};
    for (const auto& [number, port] : service.ports) {
      Json entry = {{"number", number},
                    {"protocol", std::string(policy::ToText(port.protocol))},
                    {"endpoints", Json::array()}};
      for (const auto& endpoint : port.endpoints) {
        entry["endpoints"].push_back(EndpointJson(
            endpoint, open.Find(discovery::HostOf(name), number, AddressOf(endpoint))));
      }
      each["ports"].push_back(std::move(entry));
    }
    json["items"].push_back(std::move(each));
  }
  return Answer(json);
}

ApiResponse MeshResource::Hosts(const Call& call) {
  const std::string from = call.QueryOr("namespace", std::string(policy::kDefaultNamespace));
  const discovery::Mesh& mesh = view_->CurrentMesh();
  Json items = Json::array();
  const auto add = [&](const std::string& host, const std::vector<std::string>& names) {
    const auto vip = mesh.vips.find(host);
    if (vip == mesh.vips.end()) return;
    items.push_back({{"address", vip->second}, {"names", names}});
  };
  for (const auto& [name, service] : view_->Services()) {
    const std::string qualified = name.name + "." + name.ns;
    std::vector<std::string> names = {discovery::HostOf(name), qualified + ".svc", qualified};
    if (name.ns == from) names.push_back(name.name);
    add(discovery::HostOf(name), names);
  }
  for (const policy::Document* document : mesh.policies.ExternalServices()) {
    const auto& external = std::get<policy::ExternalService>(document->spec);
    add(external.hosts[0], external.hosts);
  }
  return Answer({{"items", items}});
}

ApiResponse MeshResource::MetricsTargets(const Call&) {
  return {200, PrometheusTargets(view_->CurrentMesh())};
}

}  // namespace tulle::api
