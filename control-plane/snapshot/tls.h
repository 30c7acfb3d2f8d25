// The TLS halves of mesh connections: TLS 1.3 alone, certificates and roots by SDS. Pure; any
// thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control-plane/policy/model.h"
#include "envoy/config/core/v3/base.pb.h"

namespace tulle::snapshot {

// What a client offers for a port of this protocol, and what the inbound chains match on.
std::vector<std::string> OfferedProtocols(policy::Protocol protocol);

// For an outbound cluster: the peer must be one of `identities`; with none, nobody passes.
void SetUpstreamTls(const std::string& sni, const std::set<std::string>& identities,
                    const std::string& trust_domain, policy::Protocol protocol,
                    envoy::config::core::v3::TransportSocket* socket);
// For an inbound chain: a client certificate of the trust domain is required.
// `answered` are the protocols this side may choose.
void SetDownstreamTls(const std::string& trust_domain, const std::vector<std::string>& answered,
                      envoy::config::core::v3::TransportSocket* socket);
void SetRaw(envoy::config::core::v3::TransportSocket* socket);

}  // namespace tulle::snapshot
