// Which rule a request gets where several routes are bound to one port of a Service: their rules
// are merged, and the most specific match is tried first. Pure; any thread.
// Source: Gateway API v1, HTTPRouteRule.matches and GRPCRouteRule.matches.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "control-plane/policy/model.h"

namespace tulle::policy {

// One match of one rule. It points into the route's document and must not outlive it.
struct RankedMatch {
  const Document* document = nullptr;
  const RouteRule* rule = nullptr;
  const RouteMatch* match = nullptr;
  size_t rule_index = 0;
  size_t match_index = 0;
  // What is compared one after the other; the greater goes first.
  std::array<size_t, 5> rank = {};

  // "shop/cart[0][1]": the second match of the first rule of HTTPRoute shop/cart; if the rule has a
  // name, "shop/cart/NAME[1]". Unique among the routes of a kind.
  std::string Name() const;
};

// All matches of the routes, which are of one kind, in the order in which they are tried. The order
// of `routes` does not matter: of equal matches the one of the oldest route goes first, then by
// namespace and name of the route, then by place in it.
std::vector<RankedMatch> InOrder(const std::vector<const Document*>& routes);

}  // namespace tulle::policy
