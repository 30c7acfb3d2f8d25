// Sources: core/v1 Service, discovery.k8s.io/v1 EndpointSlice, meta/v1 PartialObjectMetadata and
// Table.
#include "control-plane/kubernetes/objects.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control-plane/kubernetes/object_facts.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::IsTrueAt;
using k8s::NumberAt;
using k8s::TextAt;

constexpr char kServiceLabel[] = "kubernetes.io/service-name";
constexpr char kRegionLabel[] = "topology.kubernetes.io/region";
constexpr char kZoneLabel[] = "topology.kubernetes.io/zone";
constexpr uint32_t kMostPort = 65535;

bool IsTcp(const Json& port) {
  const std::string protocol = TextAt(port, {"protocol"});
  return protocol.empty() || protocol == "TCP";
}

std::optional<Protocol> Named(std::string_view name) {
  if (name == "http" || name == "grpc-web" || name == "kubernetes.io/ws") return Protocol::kHttp;
  if (name == "grpc" || name == "http2" || name == "kubernetes.io/h2c") return Protocol::kGrpc;
  for (const std::string_view tcp : {"tcp", "tls", "https", "mysql", "mongo", "redis", "postgres",
                                     "postgresql", "kubernetes.io/wss"}) {
    if (name == tcp) return Protocol::kTcp;
  }
  return std::nullopt;
}

// As the API server validates the name of a ServiceAccount.
bool IsAccountName(std::string_view name) {
  constexpr size_t kLongest = 253;
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

// Whoever may create a pod writes its annotations.
constexpr size_t kMostPorts = 64;

std::set<uint32_t> PortsIn(const Json& metadata, const char* annotation) {
  std::set<uint32_t> ports;
  const std::string list = TextAt(metadata, {"metadata", "annotations", annotation});
  for (const auto text : absl::StrSplit(list, ',')) {
    uint32_t port = 0;
    if (absl::SimpleAtoi(text, &port) && port >= 1 && port <= kMostPort) ports.insert(port);
    if (ports.size() == kMostPorts) break;
  }
  return ports;
}

constexpr char kNoCell[] = "<none>";

Health HealthOf(const Json& conditions) {
  // Absent means true for ready and serving, and false for terminating.
  const Json& ready = At(conditions, {"ready"});
  if (!ready.is_boolean() || ready.get<bool>()) return Health::kHealthy;
  const bool is_serving = IsTrueAt(conditions, {"serving"});
  return is_serving && IsTrueAt(conditions, {"terminating"}) ? Health::kDraining
                                                             : Health::kUnhealthy;
}

}  // namespace

Protocol ProtocolOf(std::string_view app_protocol, std::string_view port_name) {
  if (const auto named = Named(app_protocol)) return *named;
  const std::string_view prefix = port_name.substr(0, port_name.find('-'));
  if (port_name == "grpc-web" || port_name.starts_with("grpc-web-")) return Protocol::kHttp;
  return Named(prefix).value_or(Protocol::kAuto);
}

std::optional<ServiceFacts> ReadService(const Json& service) {
  const Json& spec = At(service, {"spec"});
  if (TextAt(spec, {"type"}) == "ExternalName") return std::nullopt;
  ServiceFacts facts;
  const std::string address = TextAt(spec, {"clusterIP"});
  if (address != "None") facts.declared.address = address;
  for (const Json& port : At(spec, {"ports"})) {
    const uint32_t number = NumberAt(port, {"port"});
    if (!IsTcp(port) || number == 0 || number > kMostPort) continue;
    const std::string name = TextAt(port, {"name"});
    const Protocol protocol = ProtocolOf(TextAt(port, {"appProtocol"}), name);
    facts.ports[name] = {number, protocol};
    facts.declared.ports[number] = protocol;
  }
  if (facts.ports.empty()) return std::nullopt;
  return facts;
}

std::optional<SliceFacts> ReadSlice(const ObjectKey& key, const Json& slice) {
  SliceFacts facts;
  facts.service = {key.ns, TextAt(slice, {"metadata", "labels", kServiceLabel})};
  if (facts.service.name.empty() || TextAt(slice, {"addressType"}) == "FQDN") return std::nullopt;
  for (const Json& port : At(slice, {"ports"})) {
    const uint32_t number = NumberAt(port, {"port"});
    if (IsTcp(port) && number != 0 && number <= kMostPort) {
      facts.ports[TextAt(port, {"name"})] = number;
    }
  }
  for (const Json& each : At(slice, {"endpoints"})) {
    const Json& addresses = At(each, {"addresses"});
    if (!addresses.is_array() || addresses.empty() || !addresses[0].is_string()) continue;
    EndpointFacts endpoint;
    endpoint.address = addresses[0].get<std::string>();  // all are of the same pod
    endpoint.node = TextAt(each, {"nodeName"});
    endpoint.zone = TextAt(each, {"zone"});
    endpoint.health = HealthOf(At(each, {"conditions"}));
    std::string id = TextAt(each, {"targetRef", "uid"});
    // Ids of other endpoints contain slashes.
    endpoint.is_pod = TextAt(each, {"targetRef", "kind"}) == "Pod" && !id.empty() &&
                      id.find('/') == std::string::npos;
    if (!endpoint.is_pod) id = absl::StrCat(key.ns, "/", key.name, "/", endpoint.address);
    facts.endpoints.insert_or_assign(std::move(id), std::move(endpoint));
  }
  return facts;
}

bool HasEnded(const Json& row) {
  const Json& conditions = At(row, {"conditions"});
  return std::any_of(conditions.begin(), conditions.end(), [](const Json& condition) {
    return TextAt(condition, {"type"}) == "Completed" && TextAt(condition, {"status"}) == "True";
  });
}

PodFacts ReadPod(const ObjectKey& key, const Json& row) {
  PodFacts facts;
  facts.uid = TextAt(row, {"metadata", "uid"});
  facts.ns = key.ns;
  facts.name = key.name;
  if (!HasEnded(row)) facts.address = TextAt(row, {"cells", "IP"});
  if (facts.address == kNoCell) facts.address.clear();
  facts.created_at = ObjectFacts::Of(row).created_at;
  if (TextAt(row, {"metadata", "labels", kMeshedLabel}) != "true") return facts;
  facts.account = TextAt(row, {"metadata", "annotations", kAccountAnnotation});
  if (facts.account.empty()) facts.account = "default";
  if (!IsAccountName(facts.account)) facts.account.clear();
  facts.skipped_ports = PortsIn(row, kSkipPortsAnnotation);
  facts.opaque_ports = PortsIn(row, kOpaquePortsAnnotation);
  return facts;
}

NodeFacts ReadNode(const Json& row) {
  NodeFacts facts;
  facts.address = TextAt(row, {"cells", "Internal-IP"});
  if (facts.address == kNoCell) facts.address.clear();
  const std::string zone = TextAt(row, {"metadata", "labels", kZoneLabel});
  if (zone.empty()) return facts;
  facts.locality = absl::StrCat(TextAt(row, {"metadata", "labels", kRegionLabel}), "/", zone);
  return facts;
}

bool IsInjected(const Json& ns) {
  return TextAt(ns, {"metadata", "labels", kInjectLabel}) == "enabled";
}

}  // namespace tulle::kubernetes
