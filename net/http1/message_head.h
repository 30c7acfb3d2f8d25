#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/http/connection.h"
#include "net/http/head.h"

// What a complete head means (RFC 9110, 9112): start line, fields, framing. Pure functions; views
// go into the text they are given. Failures are those of a request (bad request and fellows);
// whoever reads responses turns them into kUpstreamProtocol.
namespace tulle::http1 {

// How the body's end is found, RFC 9112 6.3.
enum class Framing : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct StartLine {
  std::string_view method;
  std::string_view target;
  int status = 0;
  http::Version version = http::Version::kHttp11;
};

// `line` is without CRLF.
Failure ParseRequestLine(std::string_view line, StartLine* out);
Failure ParseStatusLine(std::string_view line, StartLine* out);

struct Message {
  http::Head* head = nullptr;
  Framing framing = Framing::kNone;
  // Whether the connection may carry another message after this one, as far as the peer says.
  bool keep_alive = true;
};

// `fields` are the lines after the start line, with the empty one. Fills message->head, which has
// its arena already.
Failure ReadRequest(const StartLine& line, std::string_view fields, const http::Limits& limits,
                    Message* message);
// `bodiless`: the request was HEAD.
Failure ReadResponse(const StartLine& line, std::string_view fields, const http::Limits& limits,
                     bool bodiless, Message* message);

// Fields that would change framing, routing, identity or the meaning of the content if a receiver
// merged trailers into headers (RFC 9110 6.5.1).
bool IsForbiddenTrailer(std::string_view name);

// Reads a trailer section; forbidden ones are left out.
Failure ReadTrailers(std::string_view fields, const http::Limits& limits,
                     http::HeaderMap* trailers);

}  // namespace tulle::http1
