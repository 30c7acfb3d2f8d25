#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/outbound_chains.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace tulle::snapshot {
namespace {

namespace listenerv3 = envoy::config::listener::v3;

listenerv3::Listener MakeListener(const std::string& name, const std::string& address,
                                  uint32_t port) {
  listenerv3::Listener listener;
  listener.set_name(name);
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  SetAddress(address, port, listener.mutable_address());
  return listener;
}

policy::Protocol ProtocolOf(const MeshView& view, const discovery::TcpOutbound& tcp) {
  const auto service = view.services.find(tcp.service);
  if (service == view.services.end()) return policy::Protocol::kTcp;
  const auto port = service->second.ports.find(tcp.service_port);
  return port == service->second.ports.end() ? policy::Protocol::kTcp : port->second.protocol;
}

}  // namespace

void AddOutboundListeners(const MeshView& view, const discovery::Workload& workload,
                          ResourceTable* listeners) {
  const discovery::Outbound& outbound = workload.outbound;
  const Telemetry telemetry = view.TelemetryOf(workload);
  if (outbound.http_port != 0) {
    listenerv3::Listener listener =
        MakeListener(kOutboundHttp, outbound.address, outbound.http_port);
    AddOutboundHttpManager(telemetry, kOutboundHttp, "", listener.add_filter_chains());
    AddResource(listener.name(), listener, listeners);
  }
  for (const discovery::TcpOutbound& tcp : outbound.tcp) {
    const std::string host = discovery::HostOf(tcp.service);
    listenerv3::Listener listener =
        MakeListener(TcpListener(host, tcp.service_port), outbound.address, tcp.listen_port);
    const Destination to{ProtocolOf(view, tcp), OutboundCluster(host, tcp.service_port),
                         BytesCluster(host, tcp.service_port),
                         HashesSourceIp(view.policies.ResilienceOf(tcp.service))};
    const auto add_http = [&](listenerv3::FilterChain* http) {
      AddOutboundHttpManager(telemetry, VipRoutes(host, tcp.service_port), host, http);
    };
    AddChains(telemetry, to, add_http, &listener);
    AddResource(listener.name(), listener, listeners);
  }
}

}  // namespace tulle::snapshot
