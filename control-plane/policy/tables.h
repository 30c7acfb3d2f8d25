// The tables of fields of all kinds, and of objects that several kinds share. Each is built at
// first use and constant; any thread. The way in for everybody else: kinds.h.
#pragma once

#include "control-plane/policy/model.h"
#include "control-plane/policy/schema.h"

namespace tulle::policy {

// Elements of a list of headers or query parameters. Source: the Gateway API.
inline constexpr size_t kMaxHeaders = 16;

const Schema<Document>& MetadataFields();

const Schema<HttpRoute>& HttpRouteFields();
const Schema<ResiliencePolicy>& ResiliencePolicyFields();
const Schema<AuthorizationPolicy>& AuthorizationPolicyFields();
const Schema<PeerAuthentication>& PeerAuthenticationFields();
const Schema<ExternalService>& ExternalServiceFields();
const Schema<TelemetryPolicy>& TelemetryPolicyFields();
const Schema<EgressPolicy>& EgressPolicyFields();

// An element of `headers`, of a route's match or of a fault.
const Schema<ValueMatch>& HeaderMatchFields();
bool SameName(const ValueMatch& a, const ValueMatch& b);

// An element of `rules`.
bool SameRuleName(const RouteRule& a, const RouteRule& b);

// rules[].filters and backendRefs[].filters: the element's `type` names the one field that may be
// set.
Value<RouteRule> RuleFilters();
Value<BackendRef> BackendFilters();

}  // namespace tulle::policy
