#pragma once

#include "net/http/head.h"

// Exchanges that carry bytes both ways after their heads: upgrades by 101, and tunnels. A tunnel
// (CONNECT, RFC 9110 9.3.6) ends here: its payload is forwarded and its head is not. So the
// connection to the endpoint itself is what an upgraded stream is, and net/http1 makes the
// response.
namespace tulle::proxy {

inline bool IsConnect(const http::Head& request) { return request.method == "CONNECT"; }

// See http1::ClientConnection.
inline bool BeginsBytes(const http::Head& response) {
  return response.status == 101 || !response.upgrade.empty();
}

}  // namespace tulle::proxy
