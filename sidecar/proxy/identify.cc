// The identify phase: request id and trace; headers about the caller are set by us, and headers
// that a caller may not choose are removed.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;
using http::HeaderMap;

// The eight hexadecimal digits of a number, a digit a byte, all at once.
void PutHex(uint32_t number, char* to) {
  uint64_t digits = number;
  digits = (digits | digits << 16) & 0x0000ffff0000ffff;
  digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
  digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
  const uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
  digits += 0x3030303030303030 + letters * ('a' - '0' - 10);
  digits = __builtin_bswap64(digits);  // the most significant digit first
  std::memcpy(to, &digits, sizeof(digits));
}

// RFC 9562 version 4, from the loop's random source: an identifier, not a secret.
std::string_view NewUuid(loop::Random& random, Arena& arena) {
  uint64_t bits[2] = {random.Next(), random.Next()};
  bits[0] = (bits[0] & ~uint64_t{0xf000}) | 0x4000;
  bits[1] = (bits[1] & ~(uint64_t{0xc} << 60)) | (uint64_t{0x8} << 60);
  char digits[32];
  PutHex(bits[0] >> 32, digits);
  PutHex(static_cast<uint32_t>(bits[0]), digits + 8);
  PutHex(bits[1] >> 32, digits + 16);
  PutHex(static_cast<uint32_t>(bits[1]), digits + 24);
  char* text = arena.NewArray<char>(36);
  text[8] = text[13] = text[18] = text[23] = '-';
  std::memcpy(text, digits, 8);
  std::memcpy(text + 9, digits + 8, 4);
  std::memcpy(text + 14, digits + 12, 4);
  std::memcpy(text + 19, digits + 16, 4);
  std::memcpy(text + 24, digits + 20, 12);
  return {text, 36};
}

// Some applications read '_' in a header's name as '-': such a name stands for the other one.
// `wanted` is in lower case.
bool ReadsAs(std::string_view name, std::string_view wanted) {
  const auto same = [](char c, char lower) {
    return c == lower || (c == '_' && lower == '-') || (c >= 'A' && c <= 'Z' && c + 32 == lower);
  };
  return std::equal(name.begin(), name.end(), wanted.begin(), wanted.end(), same);
}

bool IsPrivate(std::string_view name) {
  constexpr std::string_view kPrefix = "x-envoy-";
  return name.size() > kPrefix.size() && ReadsAs(name.substr(0, kPrefix.size()), kPrefix);
}

// Removes the headers whose name has no id and for which `match` holds.
template <typename Match>
void RemoveOthers(HeaderMap& headers, Match match) {
  if (!headers.Has(HeaderId::kOther)) return;
  for (size_t i = 0; i < headers.size();) {
    const http::Header& header = headers.all()[i];
    if (header.id != HeaderId::kOther || !match(header.name)) {
      ++i;
    } else {
      headers.Remove(header.name);  // all of that name: what follows moves up
    }
  }
}

// x-forwarded-client-cert under another name, and what RFC 9440 has instead.
bool TellsClientCertificate(std::string_view name) {
  return ReadsAs(name, "x-forwarded-client-cert") || ReadsAs(name, "client-cert") ||
         ReadsAs(name, "client-cert-chain");
}

// A route that leads back to its own proxy would loop until no connection is left. Counted in a
// header of our own and not by Via: servers that see Via change what they answer. False: the
// request has come through too many sidecars.
bool CountHop(HeaderMap& headers) {
  constexpr std::string_view kHops[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
  size_t hops = 0;
  if (const http::Header* stated = headers.Find(HeaderId::kXTulleHops)) {
    while (hops < std::size(kHops) && kHops[hops] != stated->value) ++hops;
    hops = hops == std::size(kHops) ? 0 : hops + 1;
  }
  if (hops == std::size(kHops)) return false;
  headers.Set(HeaderId::kXTulleHops, kHops[hops]);
  return true;
}

// Source: HttpConnectionManager.forward_client_cert_details. The header of a plaintext peer is
// removed except with ALWAYS_FORWARD_ONLY.
void ForwardClientCertificate(Call& call) {
  using enum config::ClientCertForwarding;
  HeaderMap& headers = call.request.head->headers;
  const config::ClientCertForwarding mode = call.chain.spec.forwarding;
  if (mode == kAlwaysForwardOnly) return;
  const bool verified = call.caller.identity() != nullptr;
  const bool keep = verified && (mode == kForwardOnly || mode == kAppendForward);
  const std::string_view before =
      keep ? headers.Get(HeaderId::kXForwardedClientCert) : std::string_view();
  if (!keep) headers.Remove(HeaderId::kXForwardedClientCert);
  RemoveOthers(headers, [keep](std::string_view name) {
    const bool disguised = name.find('_') != std::string_view::npos;
    return (disguised || !keep) && TellsClientCertificate(name);
  });
  if (!verified || (mode != kAppendForward && mode != kSanitizeSet)) return;
  const std::string_view element = call.caller.CertificateElement(*call.chain.owner);
  headers.Set(HeaderId::kXForwardedClientCert,
              before.empty() ? element : call.arena.Concat(before, ",", element));
}

// x-envoy-* controls proxies: a caller may set only what our own outbound side sets.
// Source: Envoy's documentation of HTTP headers, "internal" requests.
void StripPrivateHeaders(HeaderMap& headers) {
  for (size_t i = 0; i < headers.size();) {
    const http::Header& header = headers.all()[i];
    const bool ours = header.id == HeaderId::kXEnvoyAttemptCount ||
                      header.id == HeaderId::kXEnvoyExpectedRequestTimeout;
    if (ours || !IsPrivate(header.name)) {
      ++i;
    } else {
      headers.Remove(header.name);  // all of that name: what follows moves up
    }
  }
}

// RFC 1918, RFC 4193 and loopback: Envoy's default for internal_address_config.
bool IsInternalAddress(const SocketAddress& address) {
  if (address.is_loopback()) return true;
  const std::string_view bytes = address.ip_bytes();
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto second = static_cast<uint8_t>(bytes[1]);
  if (address.is_v6()) return (first & 0xfe) == 0xfc;
  return first == 10 || (first == 172 && (second & 0xf0) == 16) || (first == 192 && second == 168);
}

// Whether the request enters the mesh here, from outside. Call before SetForwardedHeaders. Source:
// Envoy's documentation of HTTP headers, "internal" requests.
bool IsExternal(const Call& call) {
  return call.chain.spec.use_remote_address &&
         (call.request.head->headers.Has(HeaderId::kXForwardedFor) ||
          !IsInternalAddress(call.caller.peer_address()));
}

// A client outside may not choose the id under which its request is found in the logs, unless
// preserve_external_request_id.
void SetRequestId(Call& call, bool external) {
  const config::HttpSpec& spec = call.chain.spec;
  HeaderMap& headers = call.request.head->headers;
  if (!spec.generate_request_id) return;
  const bool replace = external && !spec.preserve_request_id;
  if (!replace && headers.Has(HeaderId::kXRequestId)) return;
  if (replace) headers.Remove(HeaderId::kXRequestId);
  headers.Add(HeaderId::kXRequestId, "x-request-id",
              NewUuid(call.services.loop.random(), call.arena));
}

void SetForwardedHeaders(Call& call) {
  HeaderMap& headers = call.request.head->headers;
  if (call.chain.spec.use_remote_address) {
    const std::string_view peer = call.arena.Copy(call.caller.peer_address().host());
    const std::string_view before = headers.Get(HeaderId::kXForwardedFor);
    headers.Set(HeaderId::kXForwardedFor,
                before.empty() ? peer : call.arena.Concat(before, ",", peer));
    headers.Remove(HeaderId::kXForwardedProto);
    RemoveOthers(headers, [](std::string_view name) {
      return ReadsAs(name, "x-forwarded-for") || ReadsAs(name, "x-forwarded-proto");
    });
  }
  if (!headers.Has(HeaderId::kXForwardedProto)) {
    headers.Add(HeaderId::kXForwardedProto, "x-forwarded-proto",
                call.caller.is_tls() ? "https" : "http");
  }
}

}  // namespace

void AddVia(const config::HttpSpec& spec, HeaderMap& headers) {
  const std::string_view before = headers.Get(HeaderId::kVia);
  const std::string& own = spec.via;
  headers.Set(HeaderId::kVia,
              before.empty() ? std::string_view(own) : headers.arena().Concat(before, ", ", own));
}

// Some applications read '_' in a header's name as '-': what was checked here under one name would
// arrive under another. Source: HttpProtocolOptions.headers_with_underscores_action.
bool CheckUnderscores(const config::HttpSpec& spec, HeaderMap& headers) {
  using enum config::UnderscoreAction;
  if (spec.underscores == kAllow) return true;
  for (size_t i = 0; i < headers.size();) {
    const std::string_view name = headers.all()[i].name;
    if (name.find('_') == std::string_view::npos) {
      ++i;
    } else if (spec.underscores == kRefuseRequest) {
      return false;
    } else {
      headers.Remove(name);  // all of that name: what follows moves up
    }
  }
  return true;
}

Step CheckHead(Call& call) {
  const config::HttpSpec& spec = call.chain.spec;
  HeaderMap& headers = call.request.head->headers;
  if (!CountHop(headers)) return Fail(call, {failures::kLoopDetected});
  if (!spec.via.empty()) AddVia(spec, headers);
  if (!CheckUnderscores(spec, headers))
    return Fail(call, {FailureKind::kBadRequest, "underscore in a header name"});
  return Step::Continue();
}

// First of all the ID: whatever refuses the request later, who sent it can ask for it.
Step Identify(Call& call) {
  if (call.chain.direction == config::Direction::kInbound)
    StripPrivateHeaders(call.request.head->headers);
  SetRequestId(call, IsExternal(call));
  call.spans.Begin(call);
  if (call.services.ShortOfMemory()) return Fail(call, {FailureKind::kMemoryShort});
  if (const Step step = CheckHead(call); step.kind() != Step::Kind::kContinue) return step;
  ForwardClientCertificate(call);
  SetForwardedHeaders(call);
  return Step::Continue();
}

void IdentifyUnread(Call& call) {
  call.request.head = call.arena.New<http::Head>(call.arena);
  call.record.request = call.request.head;
  SetRequestId(call, false);
  call.spans.Begin(call);
}

}  // namespace tulle::proxy
