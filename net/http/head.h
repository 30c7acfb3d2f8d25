#pragma once

#include <string_view>

#include "net/http/header_map.h"

namespace tulle::http {

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// The head of a request or a response, free of what belongs to one hop: the codec that received it
// has taken out Connection and what it names, Keep-Alive, Proxy-Connection, Transfer-Encoding,
// Upgrade and TE (but "trailers"), and put Host into `authority`; the codec that sends it writes
// its own framing. Content-Length stays and is true. Views live in the headers' arena.
struct Head {
  explicit Head(Arena& arena) : headers(arena) {}

  // Requests.
  std::string_view method;     // case-sensitive token
  std::string_view scheme;     // "http" or "https"; may be empty from HTTP/1.1
  std::string_view authority;  // lower-cased by nobody yet; may hold a port
  std::string_view path;       // origin form with query, or "*"; for CONNECT empty

  // Responses.
  int status = 0;

  Version version = Version::kHttp11;
  bool expects_continue = false;  // Expect: 100-continue, taken out of the headers
  bool upgrade_wanted =
      false;  // a request that asked to upgrade (the header itself is taken out) or CONNECT
  HeaderMap headers;

  // HTTP/1.1: the value of Upgrade, where Connection names it. In a request what is asked for; in a
  // response with status 101 what is spoken from here on. Empty in all other messages.
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

// A copy that owes nothing to the arena of `from`, and asks for no upgrade.
Head* CopyHead(const Head& from, Arena& arena);

}  // namespace tulle::http
