#include "sidecar/proxy/codecs.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "net/http1/server_connection.h"
#include "net/http2/connection.h"

namespace tulle::proxy {
namespace {

http::Limits LimitsOf(const config::HttpSpec& spec) {
  http::Limits limits;
  limits.head_bytes = spec.head_kib * size_t{1024};
  limits.header_count = spec.header_count;
  limits.line_bytes = limits.head_bytes;
  limits.trailer_bytes = limits.head_bytes;
  limits.trailer_count = spec.header_count;
  limits.concurrent_streams = spec.http2_concurrent_streams;
  return limits;
}

}  // namespace

config::Milliseconds HeadTimeout(const config::HttpSpec& spec) {
  const config::Milliseconds head = spec.request_headers_timeout;
  const config::Milliseconds whole = spec.request_timeout;
  if (head.count() == 0 || whole.count() == 0) return std::max(head, whole);
  return std::min(head, whole);
}

bool HaveSameTerms(const config::HttpSpec& one, const config::HttpSpec& other) {
  const auto terms = [](const config::HttpSpec& spec) {
    return std::make_tuple(spec.codec, spec.head_kib, spec.header_count,
                           spec.http2_concurrent_streams, spec.accepts_http10,
                           std::string_view(spec.http10_authority), HeadTimeout(spec),
                           spec.idle_timeout, spec.drain_timeout, spec.max_connection_age,
                           spec.max_requests_per_connection);
  };
  return terms(one) == terms(other);
}

std::unique_ptr<http::ServerConnection> Accept(upstream::HttpVersion version, Services& services,
                                               const config::HttpSpec& spec,
                                               std::unique_ptr<Transport> transport,
                                               http::ServerConnectionEvents& events) {
  if (version == upstream::HttpVersion::k1) {
    http1::ServerOptions options;
    options.limits = LimitsOf(spec);
    options.http10 = {spec.accepts_http10, spec.http10_authority};
    options.head_timeout = HeadTimeout(spec);
    options.idle_timeout = spec.idle_timeout;
    return std::make_unique<http1::ServerConnection>(services.loop, services.deadlines,
                                                     std::move(transport), events, options);
  }
  http2::Options options;
  options.limits = LimitsOf(spec);
  options.drain_notice = spec.drain_timeout;
  return http2::NewServerConnection(services.loop, std::move(transport), events, options);
}

}  // namespace tulle::proxy
