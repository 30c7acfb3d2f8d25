// What the mesh needs to know of Kubernetes objects, read from their JSON. Pure; any thread. Fields
// that are missing or malformed are as good as absent: the API server has validated the objects.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "control-plane/discovery/mesh.h"
#include "k8s/api/json.h"
#include "k8s/api/known_objects.h"

namespace tulle::kubernetes {

using discovery::Health;
using discovery::Protocol;
using discovery::ServiceName;
using k8s::Json;
using k8s::ObjectKey;

// On pods that were injected; "true".
inline constexpr char kMeshedLabel[] = "tulle.dev/meshed";
// On such pods: the service account.
inline constexpr char kAccountAnnotation[] = "tulle.dev/service-account";
// On such pods, set by users: ports that bypass the sidecar, "8080,9090".
inline constexpr char kSkipPortsAnnotation[] = "tulle.dev/skip-inbound-ports";
// On such pods, set by users: ports that are forwarded as bytes, "3306".
inline constexpr char kOpaquePortsAnnotation[] = "tulle.dev/opaque-ports";
// On namespaces whose pods are injected; "enabled".
inline constexpr char kInjectLabel[] = "tulle.dev/inject";

struct NamedPort {
  uint32_t number = 0;
  Protocol protocol = Protocol::kAuto;
};

struct ServiceFacts {
  discovery::DeclaredService declared;
  std::map<std::string, NamedPort> ports;  // by name, which may be empty

  bool has_address() const { return !declared.address.empty(); }
};

struct EndpointFacts {
  std::string address;
  bool is_pod = false;
  std::string node;
  std::string zone;
  Health health = Health::kHealthy;
};

struct SliceFacts {
  ServiceName service;
  std::map<std::string, uint32_t> ports;           // by name
  std::map<std::string, EndpointFacts> endpoints;  // by id of the workload: a pod's uid
};

struct PodFacts {
  std::string uid;
  std::string ns;
  std::string name;
  std::string account;     // empty: not injected
  std::string address;     // the first of its IPs; empty: it has none yet, or has ended
  int64_t created_at = 0;  // Unix seconds
  std::set<uint32_t> skipped_ports;
  std::set<uint32_t> opaque_ports;

  bool is_meshed() const { return !account.empty(); }
  bool operator==(const PodFacts&) const = default;
};

struct NodeFacts {
  std::string locality;  // REGION/ZONE; empty: it has no zone
  std::string address;   // the first of its internal IPs; empty: it has none

  bool operator==(const NodeFacts&) const = default;
};

// Nullopt: the mesh has nothing to do with it (an ExternalName, no TCP ports).
std::optional<ServiceFacts> ReadService(const Json& service);
// Nullopt: it belongs to no Service, or has names instead of addresses.
std::optional<SliceFacts> ReadSlice(const ObjectKey& key, const Json& slice);
// Whether the pod of this row of the Table has succeeded or failed: its address may be that of
// another pod already.
bool HasEnded(const Json& row);
// A row of the Table of pods.
PodFacts ReadPod(const ObjectKey& key, const Json& row);
// A row of the Table of nodes.
NodeFacts ReadNode(const Json& row);
bool IsInjected(const Json& ns);

// As Istio: appProtocol decides, then the first part of the port's name; otherwise it is detected
// from the bytes.
Protocol ProtocolOf(std::string_view app_protocol, std::string_view port_name);

}  // namespace tulle::kubernetes
