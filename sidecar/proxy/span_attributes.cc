#include "sidecar/proxy/span_attributes.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sidecar/proxy/address_text.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/span_url.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

using telemetry::SpanWriter;

constexpr std::string_view kUnknownName = "_OTHER";

// Unknown methods are one, so that there are few.
std::string_view MethodOf(const http::Head& head) {
  constexpr std::string_view kKnown[] = {"GET",   "POST",    "PUT",   "DELETE", "HEAD",
                                         "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  const auto known = std::find(std::begin(kKnown), std::end(kKnown), head.method);
  return known == std::end(kKnown) ? kUnknownName : *known;
}

std::string_view MethodInName(const http::Head& head) {
  const std::string_view method = MethodOf(head);
  return method == kUnknownName ? "HTTP" : method;
}

// Empty: there is none that says something.
std::string_view PathTemplateOf(const DecisionRecord& record) {
  const route::Route* route = record.routed.matched;
  return route == nullptr ? std::string_view() : route->path().path_template();
}

void PutMethod(const http::Head& head, SpanWriter& span) {
  const std::string_view method = MethodOf(head);
  span.Text("http.request.method", method);
  if (method == kUnknownName) span.Text("http.request.method_original", head.method);
}

// Of "/package.Service/Method"; empty: not gRPC.
std::string_view RpcMethodOf(const DecisionRecord& record) {
  if (record.grpc == nullptr) return {};
  const std::string_view path = WithoutQuery(record.original_path);
  return path.starts_with('/') ? path.substr(1) : std::string_view();
}

// rpc.system and rpc.service are of the former convention.
void PutRpc(const DecisionRecord& record, SpanWriter& span) {
  const std::string_view method = RpcMethodOf(record);
  if (method.empty()) return;
  span.Text("rpc.system.name", "grpc");
  span.Text("rpc.system", "grpc");
  span.Text("rpc.method", method);
  span.Text("rpc.service", method.substr(0, method.find('/')));
}

// The second is of the former convention.
void PutRpcStatus(int status, SpanWriter& span) {
  if (status < 0) return;
  span.Text("rpc.response.status_code", GrpcStatusConstant(status));
  span.Number("rpc.grpc.status_code", static_cast<uint64_t>(status));
}

void PutStatus(int status, SpanWriter& span) {
  if (status > 0) span.Number("http.response.status_code", static_cast<uint64_t>(status));
}

// What failed: a cause of ours, or the status that tells of it. `grpc_status`: only if it tells of
// an error.
void PutErrorType(const Failure& failure, int status, int grpc_status, SpanWriter& span) {
  if (failure) return span.Text("error.type", failure.facts().cause);
  if (grpc_status > 0) return span.Text("error.type", GrpcStatusConstant(grpc_status));
  if (status == 0) return;
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), status).ptr;
  span.Text("error.type", {digits.data(), static_cast<size_t>(end - digits.data())});
}

void PutPeer(const SocketAddress& peer, SpanWriter& span) {
  AddressText text;
  span.Text("network.peer.address", text.Host(peer));
  if (peer.is_set() && peer.port() != 0) span.Number("network.peer.port", peer.port());
}

std::string_view VersionText(bool is_http2) { return is_http2 ? "2" : "1.1"; }

const config::TracingSpec& TracingOf(const EndedRequest& request) {
  return *std::get<config::HttpSpec>(request.downstream.chain->proxy).tracing;
}

void PutUrl(const EndedRequest& request, SpanWriter& span) {
  const std::string_view path = request.record.original_path;
  std::array<char, SpanWriter::kLongestText> scratch;
  span.Text("url.scheme", request.downstream.tls ? "https" : "http");
  span.Text("url.path", WithoutQuery(path).substr(0, TracingOf(request).longest_path));
  span.Text("url.query", RedactedQuery(path, scratch));
}

void PutCustomTags(const EndedRequest& request, SpanWriter& span) {
  const config::TracingSpec& tracing = TracingOf(request);
  for (const auto& [tag, value] : tracing.literal_tags) span.Text(tag, value);
  for (const auto& [tag, name] : tracing.header_tags) {
    const http::Header* header = request.record.request->headers.Find(name);
    if (header != nullptr) span.Text(tag, header->value);
  }
}

void PutRequest(const EndedRequest& request, SpanWriter& span) {
  const http::Head& head = *request.record.request;
  PutMethod(head, span);
  PutUrl(request, span);
  span.Text("http.route", PathTemplateOf(request.record));
  const ServerAddress server = ServerAddressOf(head.authority);
  span.Text("server.address", server.host);
  if (server.port != 0) span.Number("server.port", server.port);
  // Without a method the head could not be read.
  if (!head.method.empty())
    span.Text("network.protocol.version", VersionText(head.version == http::Version::kHttp2));
  PutPeer(request.downstream.remote, span);
  span.Text("user_agent.original", head.headers.Get(http::HeaderId::kUserAgent));
  span.Text("guid:x-request-id", head.headers.Get(http::HeaderId::kXRequestId));
  PutRpc(request.record, span);
  PutCustomTags(request, span);
}

}  // namespace

std::string_view ServerSpanName(const DecisionRecord& record, std::span<char> scratch) {
  const route::Route* route = record.routed.matched;
  if (route != nullptr && !route->spec().operation.empty()) return route->spec().operation;
  if (const std::string_view rpc = RpcMethodOf(record); !rpc.empty()) return rpc;
  const std::string_view method = MethodInName(*record.request);
  const std::string_view paths =
      PathTemplateOf(record).substr(0, scratch.size() - method.size() - 1);
  if (paths.empty()) return method;
  char* end = std::copy(method.begin(), method.end(), scratch.data());
  *end++ = ' ';
  end = std::copy(paths.begin(), paths.end(), end);
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

std::string_view ClientSpanName(const DecisionRecord& record) {
  const std::string_view rpc = RpcMethodOf(record);
  return rpc.empty() ? MethodInName(*record.request) : rpc;
}

void PutServerAttributes(const EndedRequest& request, SpanWriter& span) {
  const DecisionRecord& record = request.record;
  const int grpc_status = GrpcStatusNumber(record.grpc_status);
  std::array<char, 64> scratch;
  PutRequest(request, span);
  PutStatus(record.status, span);
  PutRpcStatus(grpc_status, span);
  PutErrorType(record.failure, record.status >= 500 ? record.status : 0,
               IsGrpcServerError(grpc_status) ? grpc_status : 0, span);
  span.Text("response_flags", ResponseFlags(record, scratch));
  span.Text("upstream_cluster", record.routed.cluster);
  span.Text("tulle.route", record.routed.route);
  if (request.downstream.peer != nullptr)
    span.Text("tulle.peer", request.downstream.peer->spiffe_id);
  const bool outbound = request.downstream.direction == config::Direction::kOutbound;
  span.Text("tulle.direction", outbound ? "outbound" : "inbound");
}

void PutClientAttributes(const EndedRequest& request, const AttemptTrace& attempt, uint64_t number,
                         bool is_last, SpanWriter& span) {
  const DecisionRecord& record = request.record;
  const http::Head& head = *record.request;
  const int grpc_status = is_last ? GrpcStatusNumber(record.grpc_status) : -1;
  const bool tls = record.upstream.is_tls;
  std::array<char, SpanWriter::kLongestText> scratch;
  PutMethod(head, span);
  span.Text("url.full",
            RedactedUrl(head, tls ? "https" : "http", TracingOf(request).longest_path, scratch));
  const ServerAddress server = ServerAddressOf(head.authority);
  span.Text("server.address", server.host);
  span.Number("server.port", server.port != 0 ? server.port : (tls ? 443U : 80U));
  if (record.upstream.was_asked)
    span.Text("network.protocol.version", VersionText(record.upstream.is_http2));
  PutPeer(attempt.upstream, span);
  PutRpc(record, span);
  if (number > 0) span.Number("http.request.resend_count", number);
  PutStatus(attempt.status, span);
  PutRpcStatus(grpc_status, span);
  PutErrorType(attempt.failure, attempt.status >= 400 ? attempt.status : 0, grpc_status, span);
  span.Text("upstream_cluster", record.routed.cluster);
}

void PutMeshTime(std::chrono::nanoseconds mesh, SpanWriter& span) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(mesh).count();
  span.Number("tulle.mesh.microseconds", static_cast<uint64_t>(std::max<int64_t>(microseconds, 0)));
}

}  // namespace tulle::proxy
