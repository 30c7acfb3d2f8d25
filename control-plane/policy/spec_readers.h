// One reader for each kind's `spec`. Called by parse.cc only; problems go to the ObjectReader's
// diagnosis.
#pragma once

#include <initializer_list>
#include <string>

#include "control-plane/policy/model.h"
#include "control-plane/policy/object_reader.h"

namespace tulle::policy {

HttpRoute ReadHttpRoute(ObjectReader& spec, const std::string& ns);
ResiliencePolicy ReadResiliencePolicy(ObjectReader& spec, const std::string& ns);
AuthorizationPolicy ReadAuthorizationPolicy(ObjectReader& spec, const std::string& ns);
PeerAuthentication ReadPeerAuthentication(ObjectReader& spec, const std::string& ns);
ExternalService ReadExternalService(ObjectReader& spec, const std::string& ns);
TelemetryPolicy ReadTelemetryPolicy(ObjectReader& spec, const std::string& ns);
EgressPolicy ReadEgressPolicy(ObjectReader& spec, const std::string& ns);

// spec.targetRef {kind, name}; `allowed` are the kinds that this policy may be bound to.
Target ReadTarget(ObjectReader& spec, const std::string& ns,
                  std::initializer_list<TargetKind> allowed);
// A list of {name, type: Exact|RegularExpression, value}.
std::vector<ValueMatch> ReadValueMatches(ObjectReader& match, std::string_view key);
// The common part of parentRefs[i] and backendRefs[i]: a Service of the document's own namespace.
ServiceName ReadServiceRef(ObjectReader& reference, const std::string& ns, bool kind_required);

}  // namespace tulle::policy
