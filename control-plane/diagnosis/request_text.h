// What one sidecar decided about a request, in words. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/diagnosis/hops.h"

namespace tulle::diagnosis {

// Of a TCP connection; else of a request.
bool IsTcp(const Json& record);
// "web.shop calls cart.shop", or "cart.shop is called by web.shop".
std::string HopTitle(const Json& record);
// "403 UAEX denied", "200", "no response".
std::string HopOutcome(const Json& record);
// Rows of name and text. `inner`: the hop behind it; null: none is known.
using HopRows = std::vector<std::pair<std::string, std::string>>;
HopRows HopLines(const Json& record, const Json* inner);
// The hop behind hops[of]; null: none is known.
const Json* InnerOf(const std::vector<Hop>& hops, size_t of);
// The policy that decides about failures of a cause, or about "retries", and its field. Empty: none
// is known, as where a default holds.
struct Owner {
  std::string policy;  // "ResiliencePolicy shop/cart"
  std::string field;   // "ResiliencePolicy spec.rateLimit"
};
Owner OwnerOf(const Json& record, const std::string& cause);
// What was considered: "route cart: the path does not match".
// Without `with_limits`, limits that were not reached are left out.
std::vector<std::string> ConsideredIn(const Json& record, bool with_limits = true);
// "12.3ms, of which 11.8ms in cart.shop and 0.5ms in the mesh and the network".
std::string TimeOf(const std::vector<Hop>& hops);
// "2026-11-23T15:04:05.123Z".
std::string MicrosTime(int64_t micros);

}  // namespace tulle::diagnosis
