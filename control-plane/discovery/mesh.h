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

enum class Health { kHealthy, kUnhealthy, kDraining };

struct InboundPort {
  uint32_t listen_port = 0;       // the sidecar's own
  uint32_t application_port = 0;  // on 127.0.0.1
  uint32_t service_port = 0;      // the port of the services that this one serves
  Protocol protocol = Protocol::kHttp;
  uint32_t dialled_port = 0;  // by peers, where a port mapping stands before it; 0: listen_port
  bool is_skipped = false;    // peers speak to the application itself, in plaintext

  bool operator==(const InboundPort&) const = default;
};

struct TcpOutbound {
  ServiceName service;
  uint32_t service_port = 0;
  uint32_t listen_port = 0;

  bool operator==(const TcpOutbound&) const = default;
};

struct Outbound {  // explicit listeners for the application, on loopback
  std::string address = "127.0.0.1";
  uint32_t http_port = 0;    // routes by authority; 0: none
  bool has_tunnels = false;  // its sidecar knows routes for CONNECT
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
  std::string address;
  std::vector<ServiceName> services;
  std::vector<InboundPort> inbound;
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
  policy::PolicySet policies;
  std::map<std::string, std::string> vips;  // host -> virtual address
};

// "post.default.svc.cluster.local"
std::string HostOf(const ServiceName& service);

}  // namespace tulle::discovery
