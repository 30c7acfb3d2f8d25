#pragma once

#include <string_view>

#include "net/base/arena.h"
#include "net/http/head.h"
#include "sidecar/route/route_table.h"

// Path and authority as rewritten by a route. Results live in the arena or the route.
namespace tulle::route {

// The path to send upstream: prefix_rewrite or regex_rewrite applied, the query kept.
std::string_view RewrittenPath(const Route& route, std::string_view path, Arena& arena);

// The Location of a redirecting route. `scheme` is that of the request.
std::string_view RedirectLocation(const Route& route, const http::Head& head,
                                  std::string_view scheme, Arena& arena);

}  // namespace tulle::route
