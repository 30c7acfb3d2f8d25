#include "control-plane/discovery/vouched_services.h"

#include "control-plane/discovery/service_table.h"

namespace tulle::discovery {

std::set<ServiceName> VouchedServices(const Mesh& mesh) {
  std::set<ServiceName> known;
  for (const auto& [id, workload] : mesh.workloads) {
    known.insert(workload.services.begin(), workload.services.end());
  }
  for (const auto& [key, document] : mesh.policies.documents()) {
    const auto* route = std::get_if<policy::HttpRoute>(&document->spec);
    if (route != nullptr) known.merge(ServicesNamedBy(*route));
  }
  return known;
}

}  // namespace tulle::discovery
