#pragma once

#include <string_view>

#include "net/base/failure.h"

// The failures of a request or a relayed connection that are decided by routing, policy and
// timeouts. What follows from each is in failures.cc.
namespace tulle::proxy::failures {

extern const FailureKind kNoRoute;
extern const FailureKind kNoCluster;
extern const FailureKind kDenied;
extern const FailureKind kUpgradeRefused;
extern const FailureKind kReceiveTimeout;     // the request was not received completely in time
extern const FailureKind kStreamIdleTimeout;  // nothing passed in either direction
extern const FailureKind kStreamDuration;     // request and response took longer than allowed
extern const FailureKind kPerTryTimeout;
extern const FailureKind kRateLimited;
extern const FailureKind kFaultInjected;  // with the configured status
extern const FailureKind kLoopDetected;
extern const FailureKind kMisdirected;  // TLS connection negotiated for another server name
// Of connections that no filter chain takes.
extern const FailureKind kPlaintextRefused;  // mutual TLS is required
extern const FailureKind kNoFilterChain;
// Errors that a route gives by itself, with the route's status and text.
extern const FailureKind kUnknownHost;
extern const FailureKind kNotHttpPort;
extern const FailureKind kEgressDenied;
extern const FailureKind kBackendInvalid;

// The one of the last four that has this cause; kNone: none has.
FailureKind OfRoute(std::string_view cause);

}  // namespace tulle::proxy::failures
