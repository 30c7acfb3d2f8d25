// The mesh as the control plane knows it at one moment: who runs where, and what the policies say.
// Owner: whoever builds views from it; a change makes a new Mesh. Thread: any (const). Ordered
// containers only: what is derived from a Mesh must be equal in every process.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::discovery {

using policy::Protocol;
using policy::ServiceName;

inline constexpr std::string_view kServiceSuffix = ".svc.cluster.local";
// In Workload::metadata: NAMESPACE/NAME of its pod.
inline constexpr char kPodMetadata[] = "tulle.dev/pod";

enum class Health { kHealthy, kUnhealthy, kDraining };

struct InboundPort {
  uint32_t listen_port = 0;       // the sidecar's own
  uint32_t application_port = 0;  // on 127.0.0.1
  uint32_t service_port = 0;      // the port of the services that this one serves
  Protocol protocol = Protocol::kHttp;
  uint32_t dialled_port = 0;  // by peers, where a port mapping stands before it; 0: listen_port
  bool is_skipped = false;    // peers speak to the application itself, in plaintext
  std::vector<uint32_t> further_service_ports = {};  // of services that lead here too

  bool operator==(const InboundPort&) const = default;
};

// One port of one service that a workload serves.
struct ServedPort {
  ServiceName service;
  uint32_t service_port = 0;
  uint32_t dialled_port = 0;  // of the workload, as peers dial it
  Protocol protocol = Protocol::kHttp;

  bool operator==(const ServedPort&) const = default;
};

// What a source says of a service beside its workloads.
struct DeclaredService {
  std::map<uint32_t, Protocol> ports;
  std::string address;  // its virtual address; empty: it has none

  bool operator==(const DeclaredService&) const = default;
};

struct TcpOutbound {
  ServiceName service;
  uint32_t service_port = 0;
  uint32_t listen_port = 0;

  bool operator==(const TcpOutbound&) const = default;
};

struct Outbound {  // explicit listeners for the application, on loopback
  std::string address = "127.0.0.1";
  uint32_t http_port = 0;  // routes by authority; 0: none
  std::vector<TcpOutbound> tcp;

  bool operator==(const Outbound&) const = default;
};

// How the sidecar of a workload without explicit listeners gets its connections: redirected, with
// the destination that the caller meant.
struct Interception {
  uint32_t outbound_port = 15001;  // on 127.0.0.1
  uint32_t inbound_port = 15006;   // on every address
  bool has_ipv6 = false;           // also on ::1 and ::

  bool operator==(const Interception&) const = default;
};

struct Workload {
  std::string id;         // of the instance; the node id in xDS
  std::string spiffe_id;  // from its token or SVID, never from its own word
  std::string ns{policy::kDefaultNamespace};
  std::string address;  // empty: not known, it serves nothing
  std::vector<ServiceName> services;
  std::vector<InboundPort> inbound;
  // Empty: each of `services` at each of `inbound`. Otherwise `services` are those named here.
  std::vector<ServedPort> serves;
  Outbound outbound;
  bool is_meshed = true;
  Health health = Health::kHealthy;  // when it registers: whether it has begun to serve
  std::map<std::string, std::string> metadata;
  std::optional<Interception> interception;  // transparent; its listen ports are the application's
  std::string locality;                      // REGION[/ZONE[/SUBZONE]]; empty: not said

  bool operator==(const Workload&) const = default;
};

struct Mesh {
  std::string trust_domain = "cluster.local";
  std::string trust_bundle_pem;  // every root that is valid during a rotation
  std::string revocations_pem;   // revocation lists of these roots; empty: nothing is revoked
  // Where each sidecar logs every request, like /dev/stdout; empty: it logs what failed alone.
  std::string access_log_file;
  std::map<std::string, Workload> workloads;
  std::map<std::string, std::set<std::string>> workloads_at;  // by address, their ids
  std::map<ServiceName, DeclaredService> declared;
  policy::PolicySet policies;
  std::map<std::string, std::string> vips;  // host -> virtual address
};

// Visits (service, service port, dialled port, protocol, whether the sidecar is bypassed) of all
// that a workload serves.
template <typename Visit>
void ForEachServed(const Workload& workload, const Visit& visit) {
  const auto dialled = [](const InboundPort& port) {
    return port.dialled_port == 0 ? port.listen_port : port.dialled_port;
  };
  std::set<uint32_t> skipped;
  for (const InboundPort& port : workload.inbound) {
    if (port.is_skipped) skipped.insert(dialled(port));
  }
  for (const ServedPort& served : workload.serves) {
    visit(served.service, served.service_port, served.dialled_port, served.protocol,
          skipped.contains(served.dialled_port));
  }
  if (!workload.serves.empty()) return;
  for (const ServiceName& service : workload.services) {
    for (const InboundPort& port : workload.inbound) {
      visit(service, port.service_port, dialled(port), port.protocol, port.is_skipped);
    }
  }
}

// "post.default.svc.cluster.local"
std::string HostOf(const ServiceName& service);

}  // namespace tulle::discovery
