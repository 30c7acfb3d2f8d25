#include "control-plane/diagnosis/next_steps_table.h"

#include <algorithm>
#include <iterator>

namespace tulle::diagnosis {
namespace {

constexpr NextStep kSteps[] = {
    // The caller.
    {"bad_request", "the caller sent a request that is not well-formed",
     "correct the program that calls: `detail` says what is wrong", "", ""},
    {"headers_too_large", "the headers of the request are larger than 60 KiB",
     "send fewer or smaller headers: often a cookie grows with each request", "", ""},
    {"unsupported_version", "the caller speaks a version of HTTP that is not supported",
     "call with HTTP/1.1 or HTTP/2", "", ""},
    {"upgrade_required", "the caller speaks HTTP/1.0 where it is not accepted",
     "call with HTTP/1.1 or HTTP/2", "", ""},
    {"unsupported_transfer_coding", "the request has a transfer coding other than chunked",
     "remove Transfer-Encoding, or use chunked alone", "", ""},
    {"expectation_failed", "the request has an Expect header other than 100-continue",
     "remove the header Expect from the request", "", ""},
    {"request_headers_timeout", "the headers of the request did not arrive completely in time",
     "look for a slow or broken client or network between the client and {proxy}", "", ""},
    {"downstream_closed", "the caller closed the connection before it had the response",
     "compare the caller's own timeout with the time that {service} takes: `tullectl stat`", "",
     ""},
    {"downstream_protocol_error", "the caller broke the protocol of its connection",
     "update or correct the HTTP library of the caller", "", ""},
    {"receive_timeout",
     "the request did not arrive completely within the request_timeout of the listener",
     "look for a slow client, or allow more time for its uploads; no policy sets this limit", "",
     ""},
    // This sidecar.
    {"request_timeout", "the whole request, with its retries, took longer than allowed",
     "see which hop took the time (above), or allow more: timeouts.request of the ResiliencePolicy "
     "or of the route of {service}",
     "", "ResiliencePolicy spec.timeouts.request, HTTPRoute rules[].timeouts.request"},
    {"per_try_timeout", "an attempt took longer than allowed",
     "see whether {service} is slow (`tullectl stat`), or allow more: timeouts.perTry", "",
     "ResiliencePolicy spec.timeouts.perTry, HTTPRoute rules[].timeouts.backendRequest"},
    {"stream_idle_timeout", "nothing passed in either direction for too long",
     "let the application send something now and then, or set timeouts.idle", "",
     "ResiliencePolicy spec.timeouts.idle"},
    {"stream_duration",
     "request and response together took longer than the caller allowed (grpc-timeout)",
     "see which hop took the time (above); let the caller set a longer deadline, or end streams "
     "earlier and open them again",
     "", ""},
    {"draining", "the sidecar is shutting down",
     "nothing, if the caller tries again; else give the sidecar more time to drain "
     "(--drain-time), and let the application finish its requests first",
     "", ""},
    {"internal", "the sidecar had an internal error",
     "look at the log of the sidecar {proxy}, and report it", "", ""},
    {"memory_short", "the sidecar was short of memory",
     "raise the memory limit of the sidecar {proxy}, or let callers send smaller requests", "", ""},
    {"no_route", "no route matches the host, path, method and headers of the request",
     "compare the request with the routes above and with `tullectl proxy-config {proxy} routes`; "
     "is the name of the service right (`tullectl services`), and does its HTTPRoute have a "
     "rule for this path?",
     "compare the request with the routes above and with `tullectl proxy-config {proxy} routes`",
     "HTTPRoute, GRPCRoute rules[].matches"},
    {"unknown_host", "the mesh knows no host \"{host}\"",
     "is the name of the service right, and does it have endpoints (`tullectl services -A`)? A "
     "host "
     "outside the mesh needs an ExternalService",
     "", "ExternalService spec.hosts"},
    {"not_http_port", "this port of the service is not an HTTP port",
     "reach it by CONNECT (curl -p) or with --outbound-tcp of the sidecar; if it does speak HTTP, "
     "set the protocol of the port to http",
     "", ""},
    {"egress_denied", "an EgressPolicy denies destinations that the mesh does not know",
     "describe the destination in an ExternalService, or set unknownDestinations of the policy to "
     "ALLOW",
     "", "EgressPolicy spec.unknownDestinations"},
    {"backend_invalid", "the rule of the route has no backend, or one that cannot be used",
     "correct backendRefs of the route: the response says what is wrong, and so does `tullectl "
     "check`",
     "", "HTTPRoute, GRPCRoute rules[].backendRefs"},
    {"no_cluster", "the route leads to a destination that does not exist",
     "is the Service of the route's backendRefs there (`tullectl services`)? `tullectl check` "
     "names routes that cannot be resolved",
     "", "HTTPRoute, GRPCRoute rules[].backendRefs"},
    {"denied", "a policy does not let this caller make this request",
     "if the caller should be allowed, change the DENY policy that matches it; if none does, name "
     "the caller in rules[].from of an ALLOW policy of {service}",
     "", "AuthorizationPolicy"},
    {"plaintext_refused", "the caller did not use mutual TLS, which is required here",
     "give the caller a sidecar, or allow plaintext with the mode PERMISSIVE of the "
     "PeerAuthentication",
     "", "PeerAuthentication spec.mode"},
    {"no_filter_chain", "nothing is configured for this port, server name or protocol",
     "compare the address with `tullectl proxy-config {proxy} listeners`, and look whether the "
     "port "
     "belongs to a service: `tullectl services`",
     "", ""},
    {"upgrade_refused", "the connection may not be upgraded to another protocol",
     "use WebSocket upgrades on http ports only, or set the port's protocol to tcp", "", ""},
    {"rate_limited", "the rate limit was exceeded",
     "let the caller slow down (Retry-After says for how long), raise rateLimit.requests or "
     ".burst, "
     "or add instances of {service}: the limit is of each instance",
     "", "ResiliencePolicy spec.rateLimit"},
    {"fault_injected", "a policy injects this failure for testing",
     "remove fault from the ResiliencePolicy of {service} when the test is over", "",
     "ResiliencePolicy spec.fault"},
    {"loop_detected", "the request went in a circle between proxies",
     "look at the routes of the hops above: one leads back to a service that was passed already",
     "", "HTTPRoute rules[].backendRefs"},
    {"misdirected", "the connection was made for another name than the request asks for",
     "let the client open a connection for each host name", "", ""},
    // The way to the upstream.
    {"no_healthy_endpoint", "no endpoint of the destination is healthy",
     "look at the endpoints: `tullectl services`, and `tullectl proxy-config {proxy} endpoints`. "
     "Are workloads running, ready, and in sync (`tullectl status`)?",
     "", "ResiliencePolicy spec.healthCheck"},
    {"breaker_open",
     "the circuit breakers of all endpoints of the destination are open after failures",
     "find out why {service} failed before: `tullectl errors`. The breaker closes by itself when "
     "an "
     "endpoint answers again",
     "", "ResiliencePolicy spec.breaker"},
    {"overflow", "a limit on connections or requests to the destination is reached",
     "see whether {service} is slow (`tullectl stat`); if this load is expected, raise the limit",
     "", "ResiliencePolicy spec.limits"},
    {"connect_failed", "the endpoint refused the connection",
     "is the workload at the endpoint above running, and its sidecar (`tullectl status`)?",
     "the application does not listen at the endpoint above: is it running, and is the port of its "
     "registration right?",
     ""},
    {"connect_timeout", "connecting to the endpoint timed out",
     "is the endpoint's host up, and may connections reach it (firewall, NetworkPolicy)? The time "
     "allowed is timeouts.connect",
     "the application does not accept connections: is it overloaded?",
     "ResiliencePolicy spec.timeouts.connect"},
    {"tls_failed", "TLS with the endpoint failed",
     "does the endpoint have a sidecar of this mesh with a valid certificate (`tullectl status`)? "
     "Check the clocks of both hosts",
     "", "PeerAuthentication"},
    {"peer_identity_refused", "the endpoint showed a certificate of another service",
     "does another workload have this address now? `tullectl services` shows the endpoints and "
     "`tullectl status` the identities",
     "", ""},
    {"connection_closed_unused", "the connection closed before the request was written",
     "a retry is safe: see why there was none (retries above)", "",
     "ResiliencePolicy spec.retries"},
    {"connection_closed_unread", "the endpoint closed the connection without reading the request",
     "is the instance restarting? A retry is safe: see why there was none (retries above)",
     "the application closed the connection: compare its keep-alive timeout with pools.idleTimeout",
     "ResiliencePolicy spec.retries, spec.pools"},
    {"connection_closed", "the endpoint closed the connection before it answered",
     "look at the log of {service}: has it crashed or been restarted?",
     "look at the log of the application: has it crashed or been restarted?",
     "ResiliencePolicy spec.retries"},
    {"upstream_reset", "the endpoint reset the request before it answered",
     "look at the log of {service}: it gave up this request",
     "look at the log of the application: it gave up this request",
     "ResiliencePolicy spec.retries"},
    {"refused_stream", "the endpoint refused the request before it read it",
     "is {service} overloaded, or ending? Retries on refused-stream are safe", "",
     "ResiliencePolicy spec.retries"},
    {"upstream_protocol_error", "the endpoint's answer is not well-formed HTTP",
     "is the port's protocol right (`tullectl services`)? Look at the log of {service}",
     "is the port's protocol right (http, grpc or tcp)? Look at what the application answers", ""},
    {"response_truncated", "the response ended before it was complete",
     "look at the log of {service}: has it crashed while it answered?",
     "look at the log of the application: has it crashed while it answered?", ""},
};

}  // namespace

std::span<const NextStep> AllNextSteps() { return kSteps; }

const NextStep* NextStepOf(std::string_view cause) {
  const auto found = std::find_if(std::begin(kSteps), std::end(kSteps),
                                  [&](const NextStep& each) { return each.cause == cause; });
  return found == std::end(kSteps) ? nullptr : found;
}

}  // namespace tulle::diagnosis
