#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/http/connection.h"
#include "net/http/head.h"

// The meaning of a complete head (RFC 9110, 9112): start line, fields, framing. Pure functions;
// views point into the text passed in. Failures are those of a request (kBadRequest and others);
// code that reads responses maps them to kUpstreamProtocol.
namespace tulle::http1 {

// How the end of the body is found, RFC 9112 6.3.
enum class Framing : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct StartLine {
  std::string_view method;
  std::string_view target;
  int status = 0;
  http::Version version = http::Version::kHttp11;
};

// Whether HTTP/1.0 requests are served (RFC 1945; Http1ProtocolOptions.accept_http_10), and the
// authority of those without Host (default_host_for_http_10); empty: they are refused.
struct Http10 {
  bool accepted = false;
  std::string_view default_host;
};

constexpr Failure BadRequest(const char* detail) { return {FailureKind::kBadRequest, detail}; }

// `line` is without CRLF.
Failure ParseRequestLine(std::string_view line, StartLine* out);
Failure ParseStatusLine(std::string_view line, StartLine* out);

struct Message {
  http::Head* head = nullptr;
  Framing framing = Framing::kNone;
  // Whether the peer allows another message on the connection after this one.
  bool keep_alive = true;
};

// `fields` are the lines after the start line, including the empty one. Fills message->head, whose
// arena is already set.
Failure ReadRequest(const StartLine& line, std::string_view fields, const http::Limits& limits,
                    const Http10& http10, Message* message);
// `bodiless`: the request was HEAD.
Failure ReadResponse(const StartLine& line, std::string_view fields, const http::Limits& limits,
                     bool bodiless, Message* message);

// Fields that would change framing, routing, identity or the meaning of the content if a receiver
// merged trailers into headers (RFC 9110 6.5.1).
bool IsForbiddenTrailer(std::string_view name);

// Reads a trailer section; forbidden fields are dropped.
Failure ReadTrailers(std::string_view fields, const http::Limits& limits,
                     http::HeaderMap* trailers);

}  // namespace tulle::http1
