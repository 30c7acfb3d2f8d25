#include "control-plane/kubernetes/served_ports.h"

#include <utility>

namespace tulle::kubernetes {

using discovery::InboundPort;
using discovery::ServedPort;

void ServedPorts::Add(const ServiceFacts& service, const SliceFacts& slice) {
  if (services_.insert(slice.service).second) workload_.services.push_back(slice.service);
  for (const auto& [name, port] : service.ports) {
    const auto target = slice.ports.find(name);
    if (target == slice.ports.end() || workload_.serves.size() >= kMostPorts) continue;
    const uint32_t dialled = target->second;
    if (!served_.emplace(slice.service, port.number, dialled).second) continue;
    const bool is_opaque = pod_ != nullptr && pod_->opaque_ports.contains(dialled);
    ServedPort served{slice.service, port.number, dialled,
                      is_opaque ? Protocol::kTcp : port.protocol};
    AddInbound(served);
    workload_.serves.push_back(std::move(served));
  }
}

// Several service ports may lead to one port of the pod.
void ServedPorts::AddInbound(const ServedPort& served) {
  const auto [known, is_new] = inbound_.try_emplace(served.dialled_port, workload_.inbound.size());
  if (is_new) {
    InboundPort port{served.dialled_port, served.dialled_port, served.service_port,
                     served.protocol};
    port.is_skipped = pod_ != nullptr && pod_->skipped_ports.contains(served.dialled_port);
    workload_.inbound.push_back(std::move(port));
    return;
  }
  InboundPort& port = workload_.inbound[known->second];
  if (port.protocol != served.protocol) port.protocol = Protocol::kAuto;
  if (port.service_port != served.service_port) {
    port.further_service_ports.push_back(served.service_port);
  }
}

}  // namespace tulle::kubernetes
