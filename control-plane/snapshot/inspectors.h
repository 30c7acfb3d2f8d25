// What listeners of transparent workloads share: the filters that look at a connection's first
// bytes, and clusters that lead to where a connection was meant for. Pure; any thread.
#pragma once

#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace tulle::snapshot {

void AddTlsInspector(envoy::config::listener::v3::Listener* listener);
// Not on connections to the ports of `except`, whose protocol is declared: a server that speaks
// first would wait there.
void AddHttpInspector(envoy::config::listener::v3::Listener* listener,
                      const std::vector<uint32_t>& except = {});
// The chain is for what the inspector found to be HTTP.
void AddInspectedHttp(envoy::config::listener::v3::FilterChainMatch* match);
// To the original destination; inbound from 127.0.0.6 (or ::6), which redirection leaves alone.
void SetOriginalDestination(bool is_inbound, envoy::config::cluster::v3::Cluster* cluster);

}  // namespace tulle::snapshot
