#include "xds/server/rejection.h"

#include "envoy/config/cluster/v3/cluster.pb.h"

namespace tulle::xds {

std::map<std::string, std::string> ErrorsByName(std::string_view message,
                                                const std::vector<std::string>& names) {
  std::map<std::string, std::string> errors;
  for (const std::string& name : names) {
    const std::string start = name + ": ";
    for (size_t at = 0; at < message.size();) {
      const size_t end = std::min(message.find('\n', at), message.size());
      const std::string_view line = message.substr(at, end - at);
      if (line.starts_with(start)) errors.emplace(name, line.substr(start.size()));
      at = end + 1;
    }
  }
  if (!errors.empty()) return errors;
  for (const std::string& name : names) errors.emplace(name, message);
  return errors;
}

std::string EndpointNameOf(std::string_view cluster_bytes) {
  envoy::config::cluster::v3::Cluster cluster;
  if (!cluster.ParseFromArray(cluster_bytes.data(), static_cast<int>(cluster_bytes.size())))
    return {};
  if (cluster.type() != envoy::config::cluster::v3::Cluster::EDS) return {};
  const std::string& service = cluster.eds_cluster_config().service_name();
  return service.empty() ? cluster.name() : service;
}

}  // namespace tulle::xds
