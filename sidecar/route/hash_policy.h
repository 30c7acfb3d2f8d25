#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/base/arena.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "sidecar/route/route_spec.h"

// Hashes requests for session affinity. Source: RouteAction.hash_policy, with the same hashes as
// Envoy, so that both send a caller to the same endpoint.
namespace tulle::route {

// The policies' hashes, combined; empty if the request has none of the hashed values.
// `fresh_cookie` replaces a missing cookie that is to be generated. Does not allocate.
std::optional<uint64_t> HashOf(const std::vector<HashSpec>& policies, const http::Head& request,
                               const SocketAddress& peer, std::string_view fresh_cookie);
uint64_t HashOfIp(const SocketAddress& address);

// Adds a Set-Cookie with that value for each policy that generates a cookie and found none.
void AddCookies(const std::vector<HashSpec>& policies, const http::Head& request,
                std::string_view fresh_cookie, http::HeaderMap& response);

// 16 digits, the same for all requests of a connection, so that concurrent requests get one cookie.
std::string_view FreshCookie(const SocketAddress& peer, const SocketAddress& local, Arena& arena);

// The value of the first cookie of that name without quotes; empty if there is none.
std::string_view CookieValue(const http::Head& request, std::string_view name);

}  // namespace tulle::route
