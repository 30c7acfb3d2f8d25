#include "control-plane/snapshot/outbound_chains.h"

#include <chrono>

#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/inspectors.h"
#include "control-plane/snapshot/wire.h"

namespace tulle::snapshot {
namespace {

// Of an undeclared protocol, for proxies that do not dial while they wait.
constexpr std::chrono::milliseconds kDetectionTimeout{1000};

}  // namespace

void TellHttpFromBytes(envoy::config::listener::v3::FilterChain* http,
                       envoy::config::listener::v3::Listener* listener) {
  AddTlsInspector(listener);
  AddHttpInspector(listener);
  SetDuration(kDetectionTimeout, listener->mutable_listener_filters_timeout());
  listener->set_continue_on_listener_filters_timeout(true);
  http->set_name("http");
  http->mutable_filter_chain_match()->set_transport_protocol("raw_buffer");
  AddInspectedHttp(http->mutable_filter_chain_match());
}

void AddChains(const Telemetry& telemetry, const Destination& to, const FillChain& add_http,
               envoy::config::listener::v3::Listener* listener) {
  if (to.protocol == policy::Protocol::kTcp) {
    return AddTcpProxy(telemetry, to.cluster, listener->add_filter_chains(), to.by_source_ip);
  }
  envoy::config::listener::v3::FilterChain* http = listener->add_filter_chains();
  add_http(http);
  if (to.protocol != policy::Protocol::kAuto) return;
  TellHttpFromBytes(http, listener);
  listener->mutable_default_filter_chain()->set_name("bytes");
  AddTcpProxy(telemetry, to.bytes_cluster, listener->mutable_default_filter_chain(),
              to.by_source_ip);
}

}  // namespace tulle::snapshot
