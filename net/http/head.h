#pragma once

#include <string_view>

#include "net/http/header_map.h"

namespace tulle::http {

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// The head of a request or a response without hop-by-hop fields. The receiving codec has removed
// Connection and the fields it names, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade and
// TE (except "trailers"), and moved Host to `authority`; the sending codec writes its own framing.
// Content-Length stays and is correct. Views point into the headers' arena.
struct Head {
  explicit Head(Arena& arena) : headers(arena) {}

  // Requests.
  std::string_view method;     // case-sensitive token
  std::string_view scheme;     // "http" or "https"; may be empty from HTTP/1.1
  std::string_view authority;  // not lower-cased yet; may contain a port
  std::string_view path;       // origin form with query, or "*"; for CONNECT empty

  // Responses.
  int status = 0;

  Version version = Version::kHttp11;
  bool expects_continue = false;  // Expect: 100-continue, removed from the headers
  bool upgrade_wanted = false;    // a request to upgrade (the header itself is removed), or CONNECT
  HeaderMap headers;

  // HTTP/1.1: the value of Upgrade if Connection names it. In a request, the requested protocol; in
  // a response with status 101, the protocol spoken from here on. Empty in all other messages.
  std::string_view upgrade;

  // -1: not stated.
  int64_t content_length = -1;

  // RFC 9110 9.2.2.
  bool is_idempotent() const {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
           method == "PUT" || method == "DELETE";
  }
  // content-type application/grpc or application/grpc+*.
  bool is_grpc() const;
};

// A copy that does not depend on the arena of `from`, and requests no upgrade.
Head* CopyHead(const Head& from, Arena& arena);

}  // namespace tulle::http
