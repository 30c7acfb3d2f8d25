// The tables of fields of all kinds, and of objects that several kinds share. Each is built at
// first use and constant; any thread. The way in for everybody else: kinds.h.
#pragma once

#include "control-plane/policy/model.h"
#include "control-plane/policy/schema.h"
#include "control-plane/policy/text_format.h"

namespace tulle::policy {

// Elements of a list of headers or query parameters. Source: the Gateway API.
inline constexpr size_t kMaxHeaders = 16;

const Schema<Document>& MetadataFields();

const Schema<HttpRoute>& HttpRouteFields();
const Schema<GrpcRoute>& GrpcRouteFields();
const Schema<ResiliencePolicy>& ResiliencePolicyFields();
const Schema<AuthorizationPolicy>& AuthorizationPolicyFields();
const Schema<PeerAuthentication>& PeerAuthenticationFields();
const Schema<ExternalService>& ExternalServiceFields();
const Schema<TelemetryPolicy>& TelemetryPolicyFields();
const Schema<EgressPolicy>& EgressPolicyFields();

// Elements of `parentRefs` and `backendRefs`.
const Schema<ParentRef>& ParentFields();
const Schema<BackendRef>& BackendFields();

// An element of `headers`, of a route's match or of a fault.
const Schema<ValueMatch>& HeaderMatchFields();
bool SameName(const ValueMatch& a, const ValueMatch& b);
// The same for other names than those of headers.
Schema<ValueMatch> ValueMatchFields(const TextFormat& name, std::string_view name_description);

// An element of `rules`. Sidecars copy a request to at most two Services.
void CheckMirrors(ObjectReader& reader, const RouteRule& rule);
bool SameRuleName(const RouteRule& a, const RouteRule& b);

// rules[].filters and backendRefs[].filters: the element's `type` names the one field that may be
// set.
Value<RouteRule> RuleFilters();
Value<RouteRule> GrpcRuleFilters();
Value<BackendRef> BackendFilters();

}  // namespace tulle::policy
