#include "control-plane/discovery/vouched_services.h"

namespace tulle::discovery {

std::set<ServiceName> VouchedServices(const Mesh& mesh) {
  std::set<ServiceName> known;
  for (const auto& [id, workload] : mesh.workloads) {
    known.insert(workload.services.begin(), workload.services.end());
  }
  for (const auto& [key, document] : mesh.policies.documents()) {
    const auto* route = std::get_if<policy::HttpRoute>(&document->spec);
    if (route == nullptr) continue;
    for (const policy::ParentRef& parent : route->parents) known.insert(parent.service);
    for (const policy::HttpRouteRule& rule : route->rules) {
      for (const policy::BackendRef& backend : rule.backends) known.insert(backend.service);
    }
  }
  return known;
}

}  // namespace tulle::discovery
