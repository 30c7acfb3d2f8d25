// Timeouts and retries of a route: those of its rule, field by field before those of the
// ResiliencePolicy. Pure; any thread.
#pragma once

#include <cstdint>

#include "control-plane/policy/model.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

inline constexpr uint32_t kRetryAttempts = 2;  // unless a policy says otherwise

// `rule` may be null: only the policy applies.
void SetRetries(const policy::RouteRule* rule, const policy::ResiliencePolicy& policy,
                envoy::config::route::v3::RouteAction* action);
// Whether the limit of one try bounds the whole request: without retries, if it is the shorter one.
bool TryBoundsRequest(const policy::RouteRule* rule, const policy::ResiliencePolicy& policy);
void SetTimeouts(const policy::RouteRule* rule, const policy::ResiliencePolicy& policy,
                 policy::Protocol protocol, envoy::config::route::v3::RouteAction* action);

}  // namespace tulle::snapshot
