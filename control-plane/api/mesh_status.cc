#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "control-plane/api/call.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/snapshot/describe.h"

namespace tulle::api {
namespace {

const char* TextOf(discovery::Health health) {
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

Json ProxyJson(const ProxyStatus& proxy) {
  Json json = {{"name", proxy.name},
               {"spiffeId", proxy.spiffe_id},
               {"address", proxy.address},
               {"connected", proxy.is_connected},
               {"connectedSince", proxy.connected_since},
               {"certificateNotAfter", proxy.certificate_not_after},
               {"sentVersion", proxy.sent_version},
               {"acknowledgedVersion", proxy.acknowledged_version},
               {"types", Json::array()}};
  bool is_synced = proxy.is_connected;
  for (const ProxyStatus::TypeStatus& type : proxy.types) {
    Json each = {{"type", type.type},
                 {"sentVersion", type.sent_version},
                 {"acknowledgedVersion", type.acknowledged_version}};
    if (!type.rejection.empty()) {
      each["rejection"] = type.rejection;
      each["rejectedResource"] = type.rejected_resource;
      json["rejection"] = type.rejection;
    }
    is_synced = is_synced && type.sent_version == type.acknowledged_version;
    json["types"].push_back(std::move(each));
  }
  json["synced"] = is_synced;
  return json;
}

std::optional<ProxyStatus> FindProxy(const ControlPlaneView& view, const std::string& name) {
  for (ProxyStatus& proxy : view.Proxies()) {
    if (proxy.name == name) return std::move(proxy);
  }
  return std::nullopt;
}

ApiResponse RefuseProxy(const std::string& name) {
  return Refuse(404, "there is no proxy named " + name,
                "see `tullectl status` for those there are");
}

Json EndpointJson(const discovery::Endpoint& endpoint) {
  return {{"address", endpoint.address},
          {"port", endpoint.port},
          {"workload", endpoint.workload->id},
          {"health", TextOf(endpoint.workload->health)},
          {"meshed", endpoint.workload->is_meshed},
          {"spiffeId", endpoint.workload->spiffe_id}};
}

}  // namespace

ApiResponse Api::ListServices(const Call& call) {
  const std::string ns = call.QueryOr("namespace", "");
  Json json = {{"items", Json::array()}};
  for (const auto& [name, service] : discovery::BuildServiceTable(parts_.view->CurrentMesh())) {
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
      for (const auto& endpoint : port.endpoints)
        entry["endpoints"].push_back(EndpointJson(endpoint));
      each["ports"].push_back(std::move(entry));
    }
    json["items"].push_back(std::move(each));
  }
  return Answer(json);
}

ApiResponse Api::ListHosts(const Call& call) {
  const std::string from = call.QueryOr("namespace", std::string(policy::kDefaultNamespace));
  const discovery::Mesh& mesh = parts_.view->CurrentMesh();
  Json items = Json::array();
  const auto add = [&](const std::string& host, const std::vector<std::string>& names) {
    const auto vip = mesh.vips.find(host);
    if (vip == mesh.vips.end()) return;
    items.push_back({{"address", vip->second}, {"names", names}});
  };
  for (const auto& [name, service] : discovery::BuildServiceTable(mesh)) {
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

ApiResponse Api::Backup(const Call& call) {
  Json json;
  ApiResponse refusal;
  if (!ReadObject(call.request, {}, &json, &refusal)) return refusal;
  if (parts_.store == nullptr) return Refuse(503, "there is no store to copy", "");
  const auto image = parts_.store->Image();
  if (!image.ok()) return Refuse(image.status());
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(image->data()), image->size(), digest);
  ApiResponse response =
      Answer({{"kind", "TulleBackup"},
              {"createdAt", call.now},
              {"version", parts_.version},
              {"trustDomain", parts_.authority->trust_domain()},
              {"sha256", absl::BytesToHexString(absl::string_view(
                             reinterpret_cast<const char*>(digest), sizeof(digest)))},
              {"store", absl::Base64Escape(*image)}});
  response.event = call.caller.name + " took a backup, with the roots' keys";
  return response;
}

ApiResponse Api::ListWorkloads(const Call&) {
  Json json = {{"items", Json::array()}};
  for (const auto& [id, workload] : parts_.view->CurrentMesh().workloads) {
    Json each = Json::parse(discovery::WorkloadToJson(workload));
    each["health"] = TextOf(workload.health);
    json["items"].push_back(std::move(each));
  }
  return Answer(json);
}

ApiResponse Api::ListProxies(const Call&) {
  Json json = {{"items", Json::array()}};
  for (const ProxyStatus& proxy : parts_.view->Proxies()) json["items"].push_back(ProxyJson(proxy));
  return Answer(json);
}

ApiResponse Api::GetProxy(const Call& call) {
  const auto proxy = FindProxy(*parts_.view, call.arguments[0]);
  return proxy ? Answer(ProxyJson(*proxy)) : RefuseProxy(call.arguments[0]);
}

ApiResponse Api::ProxyConfig(const Call& call) {
  const std::string_view type = snapshot::TypeUrlOf(call.arguments[1]);
  if (type.empty()) {
    return Refuse(404, "\"" + call.arguments[1] + "\" is no part of a proxy's configuration",
                  "one of listeners, routes, clusters, endpoints, secrets");
  }
  if (!FindProxy(*parts_.view, call.arguments[0])) return RefuseProxy(call.arguments[0]);
  const snapshot::Snapshot snapshot = parts_.view->SnapshotOf(call.arguments[0]);
  Json json = {{"proxy", call.arguments[0]}, {"items", Json::array()}};
  for (const auto& [name, resource] : *snapshot.TableOf(type)) {
    json["items"].push_back({{"name", name},
                             {"version", resource->version},
                             {"resource", Json::parse(snapshot::DescribeAsJson(type, *resource))}});
  }
  return Answer(json);
}

ApiResponse Api::Version(const Call&) {
  Json json = {{"version", parts_.version}};
  if (const uint16_t port = parts_.view->GrpcPort(); port != 0) json["grpcPort"] = port;
  return Answer(json);
}

}  // namespace tulle::api
