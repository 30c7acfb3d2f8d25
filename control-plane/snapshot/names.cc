#include "control-plane/snapshot/names.h"

namespace tulle::snapshot {

std::string OutboundCluster(const std::string& host, uint32_t port) {
  return "outbound|" + std::to_string(port) + "||" + host;
}

std::string BytesCluster(const std::string& host, uint32_t port) {
  return "outbound|" + std::to_string(port) + "|bytes|" + host;
}

std::string MemberCluster(const std::string& host, uint32_t port, const std::string& member) {
  return "outbound|" + std::to_string(port) + "|" + member + "|" + host;
}

std::string VipListener(const std::string& vip, uint32_t port) {
  return vip + "_" + std::to_string(port);
}

std::string VipRoutes(const std::string& host, uint32_t port) {
  return host + ":" + std::to_string(port);
}

std::string InboundCluster(uint32_t application_port) {
  return "inbound|" + std::to_string(application_port) + "||";
}

std::string InboundListener(uint32_t listen_port) {
  return "inbound|" + std::to_string(listen_port);
}

std::string TcpListener(const std::string& host, uint32_t port) {
  return "outbound|tcp|" + host + "|" + std::to_string(port);
}

std::string SniOf(const std::string& host, uint32_t port) {
  return "outbound_." + std::to_string(port) + "_._." + host;
}

void AddDomain(const std::string& host, uint32_t port, bool is_default_port,
               std::vector<std::string>* domains) {
  if (is_default_port) domains->push_back(host);
  domains->push_back(host + ":" + std::to_string(port));
}

std::vector<std::string> NamesOf(const discovery::ServiceName& service, const std::string& from) {
  std::vector<std::string> names;
  if (service.ns == from) names.push_back(service.name);
  const std::string qualified = service.name + "." + service.ns;
  for (const char* suffix : {"", ".svc", ".svc.cluster.local"}) {
    names.push_back(qualified + suffix);
  }
  return names;
}

std::vector<std::string> DomainsOf(const discovery::ServiceName& service, uint32_t port,
                                   bool is_default_port, const std::string& from) {
  std::vector<std::string> domains;
  for (const std::string& name : NamesOf(service, from)) {
    AddDomain(name, port, is_default_port, &domains);
  }
  return domains;
}

}  // namespace tulle::snapshot
