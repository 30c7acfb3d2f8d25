// Who calls, and what a caller may not say about itself.

#include <cstdint>
#include <cstring>
#include <iterator>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;

// RFC 9562 version 4, from the loop's random source: an identifier, not a secret.
std::string_view NewUuid(loop::Random& random, Arena& arena) {
  constexpr char kDigits[] = "0123456789abcdef";
  uint64_t bits[2] = {random.Next(), random.Next()};
  bits[0] = (bits[0] & ~uint64_t{0xf000}) | 0x4000;
  bits[1] = (bits[1] & ~(uint64_t{0xc} << 60)) | (uint64_t{0x8} << 60);
  char* text = arena.NewArray<char>(36);
  char* at = text;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) *at++ = '-';
    *at++ = kDigits[(bits[i / 16] >> (60 - 4 * (i % 16))) & 15];
  }
  return {text, 36};
}

bool IsPrivate(std::string_view name) {
  constexpr std::string_view kPrefix = "x-envoy-";
  return name.size() > kPrefix.size() &&
         http::EqualsIgnoreCase(name.substr(0, kPrefix.size()), kPrefix);
}

}  // namespace

Step Exchange::Identify() {
  if (services_.ShortOfMemory()) return Respond({FailureKind::kMemoryShort});
  if (!CountHop()) return Respond({FailureKind::kLoopDetected});
  if (!TakeUnderscores(request_->headers))
    return Respond({FailureKind::kBadRequest, "underscore in a header's name"});
  ForwardClientCertificate();
  if (chain_.direction == config::Direction::kInbound) StripPrivateHeaders();
  http::HeaderMap& headers = request_->headers;
  if (chain_.spec.use_remote_address) {
    const std::string_view peer = arena_.Copy(connection_.peer_address().host());
    const std::string_view before = headers.Get(HeaderId::kXForwardedFor);
    headers.Set(HeaderId::kXForwardedFor, before.empty() ? peer : arena_.Concat(before, ",", peer));
    headers.Remove(HeaderId::kXForwardedProto);
  }
  if (!headers.Has(HeaderId::kXForwardedProto)) {
    headers.Add(HeaderId::kXForwardedProto, "x-forwarded-proto",
                connection_.is_tls() ? "https" : "http");
  }
  EnsureRequestId();
  TakeTrace();
  return Step::kContinue;
}

// A route that leads back to where it came from would go round until all connections are used up.
// Not Via: servers that see it change what they answer. False: through too many sidecars already.
bool Exchange::CountHop() {
  constexpr std::string_view kHops[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
  http::HeaderMap& headers = request_->headers;
  size_t hops = 0;
  if (const http::Header* said = headers.Find(HeaderId::kXTulleHops)) {
    while (hops < std::size(kHops) && kHops[hops] != said->value) ++hops;
    hops = hops == std::size(kHops) ? 0 : hops + 1;
  }
  if (hops == std::size(kHops)) return false;
  headers.Set(HeaderId::kXTulleHops, kHops[hops]);
  if (!chain_.spec.via.empty()) AddVia(headers);
  return true;
}

void Exchange::AddVia(http::HeaderMap& headers) {
  const std::string_view before = headers.Get(HeaderId::kVia);
  const std::string& own = chain_.spec.via;
  headers.Set(HeaderId::kVia,
              before.empty() ? std::string_view(own) : arena_.Concat(before, ", ", own));
}

// Source: HttpConnectionManager.forward_client_cert_details. Copies from a plaintext peer never
// pass but with ALWAYS_FORWARD_ONLY.
void Exchange::ForwardClientCertificate() {
  using enum config::ClientCertForwarding;
  http::HeaderMap& headers = request_->headers;
  const config::ClientCertForwarding mode = chain_.spec.forwarding;
  if (mode == kAlwaysForwardOnly) return;
  const bool verified = connection_.peer() != nullptr;
  const bool keep = verified && (mode == kForwardOnly || mode == kAppendForward);
  const std::string_view before =
      keep ? headers.Get(HeaderId::kXForwardedClientCert) : std::string_view();
  if (!keep) headers.Remove(HeaderId::kXForwardedClientCert);
  if (!verified || (mode != kAppendForward && mode != kSanitizeSet)) return;
  const std::string& element = connection_.client_certificate_element();
  headers.Set(HeaderId::kXForwardedClientCert,
              before.empty() ? std::string_view(element) : arena_.Concat(before, ",", element));
}

// Some applications read '_' in a header's name as '-': what was checked here under one name would
// arrive under another. False: the request is refused.
// Source: HttpProtocolOptions.headers_with_underscores_action.
bool Exchange::TakeUnderscores(http::HeaderMap& headers) {
  using enum config::UnderscoreAction;
  if (chain_.spec.underscores == kAllow) return true;
  for (size_t i = 0; i < headers.size();) {
    const std::string_view name = headers.all()[i].name;
    if (name.find('_') == std::string_view::npos) {
      ++i;
    } else if (chain_.spec.underscores == kRefuseRequest) {
      return false;
    } else {
      headers.Remove(name);  // all of that name: what follows moves up
    }
  }
  return true;
}

// x-envoy-* steers proxies; a caller may say no more by it than what our own outbound side says.
// Source: Envoy's documentation of HTTP headers, "internal" requests.
void Exchange::StripPrivateHeaders() {
  http::HeaderMap& headers = request_->headers;
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

void Exchange::EnsureRequestId() {
  http::HeaderMap& headers = request_->headers;
  if (!chain_.spec.generate_request_id || headers.Has(HeaderId::kXRequestId)) return;
  headers.Add(HeaderId::kXRequestId, "x-request-id", NewUuid(services_.loop.random(), arena_));
}

}  // namespace tulle::proxy
