// Interprets a message's fields: framing, hop-by-hop fields, authority, upgrades.
#include "net/http1/message_head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "net/http1/grammar.h"

namespace tulle::http1 {
namespace {

using http::EqualsIgnoreCase;
using http::Head;
using http::HeaderId;
using http::HeaderMap;

// A field that may occur only once.
struct Single {
  std::string_view value;
  int count = 0;
  void Add(std::string_view text) {
    value = text;
    ++count;
  }
};

// Hop-by-hop fields, kept out of the header map from the start.
struct HopFields {
  static constexpr size_t kConnectionLines = 8;
  static constexpr size_t kConnectionNames = 32;

  Single host;
  Single content_length;
  Single transfer_encoding;
  Single expect;
  Single upgrade;
  bool te_trailers = false;
  std::array<std::string_view, kConnectionLines> connection;
  size_t connection_count = 0;
  // From Connection.
  bool close = false;
  bool keep_alive = false;
  bool wants_upgrade = false;
};

bool ListHas(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (EqualsIgnoreCase(NextElement(&list), wanted)) return true;
  }
  return false;
}

// Calls on_field(name, value) for each line. `fields` ends with the empty line, and all its lines
// end with CRLF and contain no control byte except HT (ensured by LineBlock).
template <typename OnField>
Failure ForEachField(std::string_view fields, size_t most, OnField on_field) {
  size_t count = 0;
  const char* at = fields.data();
  const char* const last = at + fields.size();
  while (*at != '\r') {
    if (++count > most) return {FailureKind::kHeadersTooLarge, "too many header fields"};
    const char* name = at;
    while (Is(*at, kToken)) ++at;
    // Also catches a folded line, and white space before the colon.
    if (*at != ':' || at == name) return BadRequest("invalid header name");
    const std::string_view field_name(name, at - name);
    ++at;
    while (IsBlank(*at)) ++at;
    const char* end = static_cast<const char*>(std::memchr(at, '\r', last - at));
    const char* next = end + 2;
    while (end > at && IsBlank(end[-1])) --end;
    if (const Failure failure = on_field(field_name, std::string_view(at, end - at))) {
      return failure;
    }
    at = next;
  }
  return {};
}

// RFC 9110 treats a tab like a blank, but not every receiver does: it is refused around
// Transfer-Encoding.
bool TabAround(std::string_view value) {
  const char* before = value.data();
  while (IsBlank(before[-1])) {
    if (*--before == '\t') return true;
  }
  for (const char* after = value.data() + value.size(); IsBlank(*after); ++after) {
    if (*after == '\t') return true;
  }
  return false;
}

Failure SortField(std::string_view name, std::string_view value, HopFields* hop, Head* head) {
  const HeaderId id = http::IdOf(name);
  switch (id) {
    case HeaderId::kHost:
      hop->host.Add(value);
      return {};
    case HeaderId::kContentLength:
      hop->content_length.Add(value);
      break;
    case HeaderId::kTransferEncoding:
      hop->transfer_encoding.Add(value);
      return {};
    case HeaderId::kConnection:
      if (hop->connection_count == hop->connection.size()) {
        return BadRequest("too many Connection fields");
      }
      hop->connection[hop->connection_count++] = value;
      return {};
    case HeaderId::kExpect:
      hop->expect.Add(value);
      return {};
    case HeaderId::kUpgrade:
      hop->upgrade.Add(value);
      return {};
    case HeaderId::kTe:
      hop->te_trailers = hop->te_trailers || ListHas(value, "trailers");
      return {};
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kHttp2Settings:
      return {};
    default:
      break;
  }
  head->headers.Add(id, name, value);
  return {};
}

// Removes the fields that Connection names, except those that framing and routing depend on.
Failure ApplyConnection(HopFields* hop, Head* head) {
  size_t names = 0;
  for (size_t i = 0; i < hop->connection_count; ++i) {
    std::string_view list = hop->connection[i];
    while (!list.empty()) {
      const std::string_view name = NextElement(&list);
      if (name.empty()) continue;
      if (!AllAre(name, kToken)) return BadRequest("invalid token in Connection");
      if (++names > HopFields::kConnectionNames)
        return BadRequest("Connection names too many fields");
      if (EqualsIgnoreCase(name, "close")) {
        hop->close = true;
      } else if (EqualsIgnoreCase(name, "keep-alive")) {
        hop->keep_alive = true;
      } else if (EqualsIgnoreCase(name, "upgrade")) {
        hop->wants_upgrade = true;
      } else if (!EqualsIgnoreCase(name, "content-length") && !EqualsIgnoreCase(name, "te")) {
        head->headers.Remove(name);
      }
    }
  }
  if (hop->te_trailers) head->headers.Add(HeaderId::kTe, "te", "trailers");
  return {};
}

// Sorts all fields. On success `*chunked` and head->content_length describe the body's framing.
Failure ReadFields(std::string_view fields, const http::Limits& limits, HopFields* hop, Head* head,
                   bool* chunked) {
  const auto sort = [&](std::string_view name, std::string_view value) {
    return SortField(name, value, hop, head);
  };
  if (const Failure failure = ForEachField(fields, limits.header_count, sort)) return failure;
  if (const Failure failure = ApplyConnection(hop, head)) return failure;
  *chunked = hop->transfer_encoding.count > 0;
  if (hop->content_length.count > 1) return BadRequest("duplicate Content-Length");
  if (hop->content_length.count == 1) {
    if (*chunked) return BadRequest("both Content-Length and Transfer-Encoding");
    const auto length = ParseDecimal(hop->content_length.value);
    if (!length) return BadRequest("invalid Content-Length");
    head->content_length = *length;
  }
  if (!*chunked) return {};
  const std::string_view coding = hop->transfer_encoding.value;
  if (hop->transfer_encoding.count == 1 && EqualsIgnoreCase(coding, "chunked") &&
      !TabAround(coding)) {
    return {};
  }
  if (hop->transfer_encoding.count == 1 && !coding.empty() && AllAre(coding, kToken) &&
      !EqualsIgnoreCase(coding, "chunked") && !EqualsIgnoreCase(coding, "identity")) {
    return {FailureKind::kUnsupportedCoding, "Transfer-Encoding is not chunked"};
  }
  return BadRequest("Transfer-Encoding is not exactly chunked");
}

// RFC 9112 3.2. `authority` in the target takes precedence over Host.
Failure ReadTarget(const StartLine& line, Head* head) {
  std::string_view target = line.target;
  if (line.method == "CONNECT") {
    if (!IsAuthority(target) || target.find(':') == std::string_view::npos) {
      return BadRequest("the target of CONNECT is not host:port");
    }
    head->authority = target;
    return {};
  }
  if (target.front() == '/') {
    head->path = target;
    return {};
  }
  if (target == "*") {
    if (line.method != "OPTIONS") return BadRequest("the target * is for OPTIONS only");
    head->path = target;
    return {};
  }
  const size_t colon = std::min(target.find("://"), target.size());
  const std::string_view scheme = target.substr(0, colon);
  const bool secure = EqualsIgnoreCase(scheme, "https");
  if (colon == target.size() || (!secure && !EqualsIgnoreCase(scheme, "http"))) {
    return BadRequest("the request target is neither a path nor an http URI");
  }
  head->scheme = secure ? "https" : "http";
  target.remove_prefix(colon + 3);
  const size_t authority_end = std::min(target.find_first_of("/?"), target.size());
  head->authority = target.substr(0, authority_end);
  if (!IsAuthority(head->authority))
    return BadRequest("the authority of the request target is malformed");
  head->path = target.substr(authority_end);
  if (head->path.empty()) head->path = line.method == "OPTIONS" ? "*" : "/";
  if (head->path.front() == '?') head->path = head->headers.arena().Concat("/", head->path);
  return {};
}

Failure ReadHost(const Single& host, const Http10& http10, Head* head) {
  if (host.count == 0 && head->version == http::Version::kHttp10) {
    if (head->authority.empty()) head->authority = head->headers.arena().Copy(http10.default_host);
    return head->authority.empty() ? BadRequest("missing Host") : Failure{};
  }
  if (host.count == 0) return BadRequest("missing Host");
  if (host.count > 1) return BadRequest("duplicate Host");
  if (!IsAuthority(host.value)) return BadRequest("invalid Host");
  if (head->authority.empty()) head->authority = host.value;
  return {};
}

Failure ReadExpect(const Single& expect, bool has_body, Head* head) {
  if (expect.count == 0) return {};
  if (expect.count > 1 || !EqualsIgnoreCase(expect.value, "100-continue")) {
    return {FailureKind::kExpectationFailed, "Expect is not 100-continue"};
  }
  // Without a body there is nothing to wait for.
  head->expects_continue = has_body;
  return {};
}

// Whether the request asks for an upgrade other than HTTP/2, which is never forwarded. Upgrade must
// be a single field.
bool TakeUpgrade(const HopFields& hop, Head* head) {
  if (!hop.wants_upgrade || hop.upgrade.count == 0 || ListHas(hop.upgrade.value, "h2c"))
    return false;
  if (hop.upgrade.count == 1) head->upgrade = hop.upgrade.value;
  return true;
}

}  // namespace

bool IsForbiddenTrailer(std::string_view name) {
  constexpr std::string_view kForbidden[] = {
      "age",
      "authorization",
      "cache-control",
      "connection",
      "content-encoding",
      "content-length",
      "content-range",
      "content-type",
      "cookie",
      "date",
      "expect",
      "expires",
      "host",
      "http2-settings",
      "keep-alive",
      "location",
      "max-forwards",
      "pragma",
      "range",
      "retry-after",
      "set-cookie",
      "te",
      "trailer",
      "transfer-encoding",
      "upgrade",
      "vary",
      "via",
      "www-authenticate",
  };
  constexpr std::string_view kForbiddenPrefixes[] = {"if-", "proxy-", "x-forwarded-", "x-envoy-"};
  for (const std::string_view forbidden : kForbidden) {
    if (EqualsIgnoreCase(name, forbidden)) return true;
  }
  for (const std::string_view prefix : kForbiddenPrefixes) {
    if (EqualsIgnoreCase(name.substr(0, prefix.size()), prefix)) return true;
  }
  return false;
}

Failure ReadRequest(const StartLine& line, std::string_view fields, const http::Limits& limits,
                    const Http10& http10, Message* message) {
  Head* head = message->head;
  head->method = line.method;
  head->version = line.version;
  HopFields hop;
  bool chunked = false;
  if (const Failure failure = ReadFields(fields, limits, &hop, head, &chunked)) return failure;
  const bool is_http10 = line.version == http::Version::kHttp10;
  // A hop in front of us may have ignored it, and taken the body for a request (RFC 9112 6.1).
  if (is_http10 && chunked) return BadRequest("Transfer-Encoding in HTTP/1.0");
  if (const Failure failure = ReadTarget(line, head)) return failure;
  if (const Failure failure = ReadHost(hop.host, http10, head)) return failure;
  const bool has_body = chunked || head->content_length > 0;
  // RFC 9110 7.8 and 10.1.1: of an HTTP/1.0 request Upgrade and Expect are ignored.
  if (is_http10) hop.expect = hop.upgrade = {};
  if (const Failure failure = ReadExpect(hop.expect, has_body, head)) return failure;
  const bool connect = line.method == "CONNECT";
  if (connect && has_body) return BadRequest("CONNECT has no body");
  head->upgrade_wanted = TakeUpgrade(hop, head) || connect;
  message->keep_alive = !hop.close && (!is_http10 || hop.keep_alive);
  message->framing = chunked ? Framing::kChunked : has_body ? Framing::kLength : Framing::kNone;
  return {};
}

Failure ReadResponse(const StartLine& line, std::string_view fields, const http::Limits& limits,
                     bool bodiless, Message* message) {
  Head* head = message->head;
  head->status = line.status;
  head->version = line.version;
  HopFields hop;
  bool chunked = false;
  if (const Failure failure = ReadFields(fields, limits, &hop, head, &chunked)) return failure;
  if (hop.host.count > 0) head->headers.Add(HeaderId::kHost, "host", hop.host.value);
  if (hop.expect.count > 0) head->headers.Add(HeaderId::kExpect, "expect", hop.expect.value);
  const bool interim = line.status < 200;
  if (line.status == 101) TakeUpgrade(hop, head);
  if (chunked && (interim || line.status == 204 || line.version == http::Version::kHttp10)) {
    return BadRequest("unexpected Transfer-Encoding");
  }
  if (interim || line.status == 204) {
    head->headers.Remove(HeaderId::kContentLength);
    head->content_length = -1;
  }
  message->keep_alive = !hop.close && line.version == http::Version::kHttp11;
  if (interim || line.status == 204 || line.status == 304 || bodiless) {
    message->framing = Framing::kNone;
  } else if (chunked) {
    message->framing = Framing::kChunked;
  } else if (head->content_length >= 0) {
    message->framing = head->content_length > 0 ? Framing::kLength : Framing::kNone;
  } else {
    message->framing = Framing::kUntilClose;
    message->keep_alive = false;
  }
  return {};
}

Failure ReadTrailers(std::string_view fields, const http::Limits& limits, HeaderMap* trailers) {
  return ForEachField(fields, limits.trailer_count,
                      [trailers](std::string_view name, std::string_view value) -> Failure {
                        if (!IsForbiddenTrailer(name)) trailers->Add(name, value);
                        return {};
                      });
}

}  // namespace tulle::http1
