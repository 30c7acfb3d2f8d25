#pragma once

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/step.h"

namespace tulle::config {
struct HttpSpec;
}

// The phases of a request that decide, in the order in which they run. Each is a function of the
// call alone; what they leave for later ones is in the call. The phases that move bytes are
// Forwarding's; those of the response are in response.h.
namespace tulle::proxy {

// identify.cc: request id; trace; headers about the caller.
Step Identify(Call& call);
// Its first part, which may refuse: circles between proxies, underscores in names of headers.
Step CheckHead(Call& call);
// routing.cc: normalisation, misdirected requests, the route table, upgrades.
Step MatchRoute(Call& call);
// authorize.cc
Step Authorize(Call& call);
// limiting.cc: local rate limits.
Step Limit(Call& call);
// faults.cc: an injected delay, then an injected failure.
Step DelayByFault(Call& call);
Step AbortByFault(Call& call);
// routing.cc: redirects and direct responses; header changes.
Step Prepare(Call& call);
// pick_endpoint.cc: the cluster and its limits; an endpoint for the next attempt.
Step Admit(Call& call);
Step PickEndpoint(Call& call);

// Instead of all phases, for a request whose head was refused, or never came whole: an empty head,
// so that it has a request id and a place in a trace.
void IdentifyUnread(Call& call);
// Whether the chain's current rules still allow what was authorized. Fills record.policy if not.
bool StillAuthorized(Call& call, const config::HttpSpec& spec);
// False: the message is refused for an underscore in a header's name.
bool CheckUnderscores(const config::HttpSpec& spec, http::HeaderMap& headers);
// Appends our pseudonym to Via.
void AddVia(const config::HttpSpec& spec, http::HeaderMap& headers);
// The cookie for a client that has none yet.
std::string_view NewCookie(Call& call);

}  // namespace tulle::proxy
