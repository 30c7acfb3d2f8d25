#include "control-plane/discovery/known_services.h"

namespace tulle::discovery {

policy::KnownServices KnownServicesOf(const Mesh& mesh) {
  policy::KnownServices known;
  for (const auto& [id, workload] : mesh.workloads) {
    for (const ServiceName& name : workload.services) {
      policy::KnownService& service = known[name];
      // As in the ServiceTable: the first workload to name a port declares its protocol.
      for (const InboundPort& port : workload.inbound) {
        service.ports.try_emplace(port.service_port, port.protocol);
      }
    }
  }
  return known;
}

}  // namespace tulle::discovery
