#pragma once

#include <memory>

#include "net/http/connection.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/dial.h"

namespace tulle::proxy {

// How long a head may take to arrive; 0: no limit.
config::Milliseconds HeadTimeout(const config::HttpSpec& spec);

// A codec over a downstream transport that is ready, with the limits and timeouts of `spec`. Call
// Start() on it.
// Whether a connection that was accepted with the one spec can go on with the other.
bool HaveSameTerms(const config::HttpSpec& one, const config::HttpSpec& other);

std::unique_ptr<http::ServerConnection> Accept(upstream::HttpVersion version, Services& services,
                                               const config::HttpSpec& spec,
                                               std::unique_ptr<Transport> transport,
                                               http::ServerConnectionEvents& events);

}  // namespace tulle::proxy
