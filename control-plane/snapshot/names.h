// Names of resources and the domains by which a service is reached. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"

namespace tulle::snapshot {

inline constexpr char kOutboundHttp[] =
    "outbound|http";  // the listener and its route configuration
inline constexpr char kUnknownHost[] = "unknown_host";
inline constexpr char kRootSecret[] = "ROOTCA";
inline constexpr char kOwnSecret[] = "default";

// The label of an endpoint that speaks mTLS (envoy.transport_socket_match).
inline constexpr char kMeshKey[] = "tulle";
inline constexpr char kMeshValue[] = "mesh";

// Of transparent workloads: where redirected connections arrive, on IPv4 and on IPv6.
inline constexpr char kVirtualOutbound[] = "virtualOutbound";
inline constexpr char kVirtualOutbound6[] = "virtualOutbound6";
inline constexpr char kVirtualInbound[] = "virtualInbound";
inline constexpr char kVirtualInbound6[] = "virtualInbound6";
// What goes to where it was meant for, and what goes nowhere.
inline constexpr char kPassthroughCluster[] = "PassthroughCluster";
inline constexpr char kInboundPassthroughCluster[] = "InboundPassthroughCluster";
inline constexpr char kBlackHoleCluster[] = "BlackHoleCluster";
// The route, and its configuration, of HTTP to where nobody may go.
inline constexpr char kDeniedRoute[] = "block_all";

std::string OutboundCluster(const std::string& host, uint32_t port);  // outbound|PORT||HOST
// outbound|PORT|bytes|HOST: beside the former where the protocol is not declared.
std::string BytesCluster(const std::string& host, uint32_t port);
// outbound|PORT|MEMBER|HOST: one member of a service, ADDRESS_PORT.
std::string MemberCluster(const std::string& host, uint32_t port, const std::string& member);
// VIP_PORT, such as 240.240.0.5_8080.
std::string VipListener(const std::string& vip, uint32_t port);
// HOST:PORT: the routes of what was sent to the service's virtual address.
std::string VipRoutes(const std::string& host, uint32_t port);
std::string InboundCluster(uint32_t application_port);            // inbound|PORT||
std::string InboundListener(uint32_t listen_port);                // inbound|PORT
std::string TcpListener(const std::string& host, uint32_t port);  // outbound|tcp|HOST|PORT
std::string SniOf(const std::string& host, uint32_t port);        // outbound_.PORT_._.HOST

// Every name of the service as seen from namespace `from`.
std::vector<std::string> NamesOf(const discovery::ServiceName& service, const std::string& from);
// The same, each with the port and, if this is the
// port that a bare name means, without it.
std::vector<std::string> DomainsOf(const discovery::ServiceName& service, uint32_t port,
                                   bool is_default_port, const std::string& from);
void AddDomain(const std::string& host, uint32_t port, bool is_default_port,
               std::vector<std::string>* domains);

}  // namespace tulle::snapshot
