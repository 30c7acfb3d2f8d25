// Names of resources and the domains by which a service is reached. Pure; any thread.
#ifndef TULLE_CONTROL_PLANE_SNAPSHOT_NAMES_H_
#define TULLE_CONTROL_PLANE_SNAPSHOT_NAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"

namespace tulle::snapshot {

inline constexpr char kOutboundHttp[] =
    "outbound|http";  // the listener and its route configuration
inline constexpr char kRootSecret[] = "ROOTCA";
inline constexpr char kOwnSecret[] = "default";

std::string OutboundCluster(const std::string& host, uint32_t port);  // outbound|PORT||HOST
std::string InboundCluster(uint32_t application_port);                // inbound|PORT||
std::string InboundListener(uint32_t listen_port);                    // inbound|PORT
std::string TcpListener(const std::string& host, uint32_t port);      // outbound|tcp|HOST|PORT
std::string SniOf(const std::string& host, uint32_t port);            // outbound_.PORT_._.HOST

// Every name of the service as seen from namespace `from`, each with the port and, if this is the
// port that a bare name means, without it.
std::vector<std::string> DomainsOf(const discovery::ServiceName& service, uint32_t port,
                                   bool is_default_port, const std::string& from);
void AddDomain(const std::string& host, uint32_t port, bool is_default_port,
               std::vector<std::string>* domains);

}  // namespace tulle::snapshot

#endif  // TULLE_CONTROL_PLANE_SNAPSHOT_NAMES_H_
