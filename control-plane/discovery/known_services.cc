#include "control-plane/discovery/known_services.h"

namespace tulle::discovery {

policy::KnownServices KnownServicesOf(const Mesh& mesh) {
  policy::KnownServices known;
  for (const auto& [name, declared] : mesh.declared) {
    known[name].ports.insert(declared.ports.begin(), declared.ports.end());
  }
  for (const auto& [id, workload] : mesh.workloads) {
    for (const ServiceName& name : workload.services) known.try_emplace(name);
    // As in the ServiceTable: the first workload to name a port declares its protocol.
    ForEachServed(workload, [&](const ServiceName& name, uint32_t port, uint32_t, Protocol protocol,
                                bool) { known[name].ports.try_emplace(port, protocol); });
  }
  return known;
}

}  // namespace tulle::discovery
