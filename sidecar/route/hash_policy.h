#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "sidecar/route/route_spec.h"

// What a request is kept to an endpoint by. Source: RouteAction.hash_policy, and Envoy's way of
// hashing it, so that both send a caller to the same place.
namespace tulle::route {

// The policies' hashes, mixed; empty if the request has nothing that one asks for. `fresh_cookie`
// stands for a cookie that is to be made since the request has none. No allocation.
std::optional<uint64_t> HashOf(const std::vector<HashSpec>& policies, const http::Head& request,
                               const SocketAddress& peer, std::string_view fresh_cookie);
uint64_t HashOfIp(const SocketAddress& address);

// Adds a Set-Cookie of that value for each policy that makes a cookie and found none.
void AddCookies(const std::vector<HashSpec>& policies, const http::Head& request,
                std::string_view fresh_cookie, http::HeaderMap& response);

// 16 digits, the same for all requests of a connection, so that those that race get one cookie.
std::string_view FreshCookie(const SocketAddress& peer, const SocketAddress& local, Arena& arena);

// The value of the first cookie of that name, quotes taken off; empty if there is none.
std::string_view CookieValue(const http::Head& request, std::string_view name);

}  // namespace tulle::route
