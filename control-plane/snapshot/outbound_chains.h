// The filter chains of an outbound listener for one service port or member: HTTP by routes, bytes
// to a cluster, and both where the port declares no protocol. Pure; any thread.
#pragma once

#include <functional>
#include <string>

#include "control-plane/policy/model.h"
#include "control-plane/snapshot/telemetry.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace tulle::snapshot {

struct Destination {
  policy::Protocol protocol = policy::Protocol::kTcp;
  std::string cluster;        // of a tcp port
  std::string bytes_cluster;  // of a port without a declared protocol
  bool by_source_ip = false;
};

using FillChain = std::function<void(envoy::config::listener::v3::FilterChain*)>;

// `add_http` fills the chain of HTTP.
void AddChains(const Telemetry& telemetry, const Destination& to, const FillChain& add_http,
               envoy::config::listener::v3::Listener* listener);

// `http` is for what turns out to be HTTP in plaintext, the default chain for everything else.
void TellHttpFromBytes(envoy::config::listener::v3::FilterChain* http,
                       envoy::config::listener::v3::Listener* listener);

}  // namespace tulle::snapshot
