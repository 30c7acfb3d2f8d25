#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/decisions.h"

namespace tulle::proxy {

struct Services;

// A request that is not sent.
struct RehearsedRequest {
  config::Direction direction = config::Direction::kOutbound;
  std::string method = "GET";
  std::string authority;
  std::string path = "/";  // with the query
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Outbound: what the workload would dial, if that is known. Inbound: its port alone counts.
  SocketAddress destination = {};
  SocketAddress source = {};   // inbound: the caller's address; unset: unknown
  std::string source_id = {};  // inbound: the caller's SPIFFE ID; empty: plaintext
};

// What would happen to it now.
struct RehearsalOutcome {
  std::string listener;  // that would take it; empty: none
  int status = 0;        // of what this sidecar would answer by itself; 0: it would be forwarded
  Failure failure = {};  // why; kNone: it would be forwarded, redirected or answered by a route
  bool is_connection_closed = false;  // instead of an answer
  std::string policy;                 // that denies it, or lets it pass; empty: none matched
  std::string route;
  std::string cluster;
  std::string service;
  // As it would be forwarded.
  std::string method;
  std::string authority;
  std::string path;
  std::vector<KeptDecision> decisions;
};

// Runs the phases that decide about a request, in their order, on one that nobody has sent: no
// limit is used up, whether a rate limit is reached is not looked at, no fault is injected, no
// connection is made and nothing is counted. Routes whose choice is random (weights, fractions) are
// drawn as for a real request. `listeners` are those in force. Thread: the worker's, whose
// `services` these are.
RehearsalOutcome Rehearse(Services& services,
                          const std::vector<const config::ListenerSpec*>& listeners,
                          const RehearsedRequest& request);

}  // namespace tulle::proxy
