#include "sidecar/proxy/access_log_values.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <string>

#include "net/tls/tls_names.h"
#include "sidecar/proxy/address_text.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/hex.h"

namespace tulle::proxy {
namespace {

using telemetry::LogField;
using telemetry::LogOperator;
using Scratch = telemetry::LogValues::Scratch;

std::string_view Number(uint64_t value, Scratch scratch) {
  const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), value).ptr;
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

// From `from` to `to` in whole milliseconds; empty if either is unset.
std::string_view Milliseconds(loop::Instant from, loop::Instant to, Scratch scratch) {
  if (from == loop::Instant() || to < from) return {};
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
  return Number(static_cast<uint64_t>(passed), scratch);
}

std::string_view Address(const SocketAddress& address, Shown shown, Scratch scratch) {
  return ShowAddress(address, shown, scratch);
}

// By strftime's format; empty: 2026-01-31T10:00:33.000Z, as Envoy writes it.
std::string_view Time(int64_t seconds, const std::string& format, Scratch scratch) {
  const time_t at = seconds;
  tm utc{};
  if (seconds == 0 || gmtime_r(&at, &utc) == nullptr) return {};
  const char* pattern = format.empty() ? "%Y-%m-%dT%H:%M:%S.000Z" : format.c_str();
  return {scratch.data(), strftime(scratch.data(), scratch.size(), pattern, &utc)};
}

std::string_view PeerCertificate(const PeerIdentity& peer, const LogField& field, Scratch scratch) {
  switch (field.op) {
    case LogOperator::kDownstreamPeerUriSan:
      return peer.spiffe_id;
    case LogOperator::kDownstreamPeerSubject:
      return peer.subject;
    case LogOperator::kDownstreamPeerFingerprint:
      return peer.certificate_sha256;
    case LogOperator::kDownstreamPeerIssuer:
      return peer.issuer;
    case LogOperator::kDownstreamPeerSerial:
      return peer.serial;
    case LogOperator::kDownstreamPeerValidFrom:
      return Time(peer.not_before, field.name, scratch);
    case LogOperator::kDownstreamPeerValidUntil:
      return Time(peer.not_after, field.name, scratch);
    default:
      return {};
  }
}

std::string_view Downstream(const EndedDownstream& downstream, const LogField& field,
                            Scratch scratch) {
  switch (field.op) {
    case LogOperator::kDownstreamRemoteAddress:
      return Address(downstream.remote, Shown::kBoth, scratch);
    case LogOperator::kDownstreamRemoteAddressWithoutPort:
      return Address(downstream.remote, Shown::kHost, scratch);
    case LogOperator::kDownstreamRemotePort:
      return downstream.remote.is_set() ? Number(downstream.remote.port(), scratch) : "";
    case LogOperator::kDownstreamLocalAddress:
      return Address(downstream.local, Shown::kBoth, scratch);
    case LogOperator::kDownstreamLocalAddressWithoutPort:
      return Address(downstream.local, Shown::kHost, scratch);
    case LogOperator::kDownstreamLocalPort:
      return downstream.local.is_set() ? Number(downstream.local.port(), scratch) : "";
    case LogOperator::kDownstreamLocalUriSan:
      return downstream.tls ? std::string_view(downstream.chain->own_identity) : "";
    case LogOperator::kDownstreamTlsVersion:
      return tls::VersionName(downstream.tls_terms);
    case LogOperator::kDownstreamTlsCipher:
      return tls::CipherName(downstream.tls_terms);
    case LogOperator::kConnectionId:
      return downstream.connection == 0 ? "" : Number(downstream.connection, scratch);
    case LogOperator::kRequestedServerName:
      return downstream.sni;
    case LogOperator::kFilterChainName:
      return downstream.chain->name;
    default:
      return downstream.peer == nullptr ? std::string_view()
                                        : PeerCertificate(*downstream.peer, field, scratch);
  }
}

std::string_view SpanId(const TracingRecord& tracing, Scratch scratch) {
  const uint64_t span = tracing.spans == nullptr ? tracing.span : tracing.spans->context.span;
  if (span == 0) return {};
  return {scratch.data(),
          static_cast<size_t>(telemetry::PutHex(span, 16, scratch.data()) - scratch.data())};
}

// Why no connection to the upstream was established.
std::string_view TransportFailure(const Failure& failure) {
  if (failure.facts().stage != AttemptStage::kConnect) return {};
  return failure.detail[0] != '\0' ? std::string_view(failure.detail) : failure.facts().cause;
}

std::string_view CauseIn(const Failure& failure) {
  return failure ? failure.facts().cause : std::string_view();
}

// rbac_access_denied_matched_policy[NAME].
std::string_view Denial(std::string_view policy, Scratch scratch) {
  const std::string_view reason = failures::kDenied.facts().detail;
  if (policy.empty()) policy = "none";
  if (reason.size() + policy.size() + 2 > scratch.size()) return reason;
  char* out = std::copy(reason.begin(), reason.end(), scratch.data());
  *out++ = '[';
  out = std::copy(policy.begin(), policy.end(), out);
  *out++ = ']';
  return {scratch.data(), static_cast<size_t>(out - scratch.data())};
}

std::string_view NoFilterChain(const UnmatchedConnection& connection, Scratch scratch) {
  if (!connection.plaintext_refused) return "filter_chain_not_found";
  constexpr std::string_view kBegin = "filter_chain_not_found{plaintext_refused";
  const std::string_view policy = connection.policy;
  if (policy.empty() || kBegin.size() + policy.size() + 2 > scratch.size())
    return "filter_chain_not_found{plaintext_refused}";
  char* out = std::copy(kBegin.begin(), kBegin.end(), scratch.data());
  *out++ = ':';
  out = std::copy(policy.begin(), policy.end(), out);
  *out++ = '}';
  return {scratch.data(), static_cast<size_t>(out - scratch.data())};
}

std::string_view ProtocolName(http::Version version) {
  switch (version) {
    case http::Version::kHttp10:
      return "HTTP/1.0";
    case http::Version::kHttp11:
      return "HTTP/1.1";
    case http::Version::kHttp2:
      return "HTTP/2";
  }
  return {};
}

// Of an UnmatchedConnection or a BrokenConnection.
template <typename Connection>
std::string_view ClosedConnection(const Connection& connection, LogOperator op, Scratch scratch) {
  switch (op) {
    case LogOperator::kResponseCode:
      return "0";  // as Envoy writes for TCP
    case LogOperator::kDownstreamRemoteAddress:
      return Address(connection.remote, Shown::kBoth, scratch);
    case LogOperator::kDownstreamLocalAddress:
      return Address(connection.local, Shown::kBoth, scratch);
    case LogOperator::kRequestedServerName:
      return connection.sni;
    default:
      return {};
  }
}

// Those of TLS say by their flag that the upstream failed, and here it was the caller.
std::string_view FlagOf(const FailureFacts& facts) {
  return facts.origin == FailureOrigin::kDownstream ? facts.flag : "-";
}

int64_t Nanoseconds(std::chrono::system_clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

}  // namespace

int64_t RequestValues::StartNanoseconds() const {
  return Nanoseconds(request_.record.times.wall_started);
}

std::string_view RequestValues::Value(const LogField& field, Scratch scratch) const {
  const DecisionRecord& record = request_.record;
  switch (field.op) {
    case LogOperator::kRequestHeader:
    case LogOperator::kResponseHeader:
    case LogOperator::kProtocol:
      return Head(field, scratch);
    case LogOperator::kBytesReceived:
      return Number(record.bytes.request, scratch);
    case LogOperator::kBytesSent:
      return Number(record.bytes.response, scratch);
    case LogOperator::kDuration:
      return Milliseconds(record.times.started, record.times.ended, scratch);
    case LogOperator::kRequestDuration:
      return Milliseconds(record.times.started, record.times.request_ended, scratch);
    case LogOperator::kResponseDuration:
      return Milliseconds(record.times.started, record.times.upstream_answered, scratch);
    case LogOperator::kResponseTxDuration:
      return Milliseconds(record.times.upstream_answered, record.times.ended, scratch);
    case LogOperator::kRouteName:
      return record.routed.route;
    case LogOperator::kTraceId:
      return record.tracing.id;
    case LogOperator::kSpanId:
      return SpanId(record.tracing, scratch);
    case LogOperator::kStreamId:
      return RequestHeader("x-request-id");
    case LogOperator::kUpstreamCluster:
      return record.routed.cluster;
    case LogOperator::kUpstreamHost:
      return Address(record.upstream.address, Shown::kBoth, scratch);
    case LogOperator::kUpstreamLocalAddress:
      return Address(record.upstream.local, Shown::kBoth, scratch);
    case LogOperator::kUpstreamRequestAttemptCount:
      return Number(record.retries.attempts, scratch);
    case LogOperator::kUpstreamPeerUriSan:
      return record.upstream.peer;
    case LogOperator::kUpstreamTlsVersion:
      return tls::VersionName(record.upstream.tls_terms);
    case LogOperator::kUpstreamTlsCipher:
      return tls::CipherName(record.upstream.tls_terms);
    case LogOperator::kUpstreamProtocol:
      if (!record.upstream.was_asked) return {};
      return record.upstream.is_http2 ? "HTTP/2" : "HTTP/1.1";
    default:
      return Outcome(field, scratch);
  }
}

std::string_view RequestValues::Outcome(const LogField& field, Scratch scratch) const {
  const DecisionRecord& record = request_.record;
  const int grpc_status = GrpcStatusNumber(record.grpc_status);
  switch (field.op) {
    case LogOperator::kResponseCode:
      return Number(static_cast<uint64_t>(std::max(record.status, 0)), scratch);
    case LogOperator::kResponseCodeDetails:
      return Details(scratch);
    case LogOperator::kCause:
      return CauseIn(record.failure);
    case LogOperator::kResponseFlags:
      return ResponseFlags(record, scratch);
    case LogOperator::kResponseFlagsLong:
      return LongResponseFlags(record, scratch);
    case LogOperator::kGrpcStatus:
      return GrpcStatusName(grpc_status);
    case LogOperator::kGrpcStatusNumber:
      return grpc_status < 0 ? std::string_view() : record.grpc_status;
    case LogOperator::kUpstreamTransportFailureReason:
      return TransportFailure(record.failure);
    case LogOperator::kLocalReplyBody:
      return record.failure ? record.failure.facts().body : std::string_view();
    case LogOperator::kAccessLogType:
      return "DownstreamEnd";
    default:
      return Downstream(request_.downstream, field, scratch);
  }
}

std::string_view RequestValues::Head(const LogField& field, Scratch scratch) const {
  if (field.op == LogOperator::kProtocol) {
    const http::Head* head = request_.record.request;
    return head == nullptr || head->method.empty() ? std::string_view()
                                                   : ProtocolName(head->version);
  }
  const bool request = field.op == LogOperator::kRequestHeader;
  std::string_view value =
      request ? RequestHeader(field.name) : ResponseHeader(field.name, scratch);
  if (value.empty() && !field.alternative.empty()) {
    value = request ? RequestHeader(field.alternative) : ResponseHeader(field.alternative, scratch);
  }
  return value;
}

std::string_view RequestValues::RequestHeader(std::string_view name) const {
  const http::Head* head = request_.record.request;
  if (head == nullptr) return {};
  const auto is = [name](std::string_view other) { return http::EqualsIgnoreCase(name, other); };
  if (name.starts_with(':')) {
    if (is(":method")) return head->method;
    if (is(":path")) return head->path;
    if (is(":authority")) return head->authority;
    if (is(":scheme")) return head->scheme;
    return {};
  }
  if (is("host")) return head->authority;
  if (is("x-envoy-original-path")) {
    const std::string_view original = request_.record.original_path;
    return original == head->path ? std::string_view() : original;
  }
  const http::Header* header = head->headers.Find(name);
  return header == nullptr ? std::string_view() : header->value;
}

std::string_view RequestValues::ResponseHeader(std::string_view name, Scratch scratch) const {
  const http::Header* header =
      request_.response == nullptr ? nullptr : request_.response->headers.Find(name);
  if (header != nullptr) return header->value;
  // Envoy's router sends it downstream; here only the log knows it.
  if (http::EqualsIgnoreCase(name, "x-envoy-upstream-service-time")) {
    return Milliseconds(request_.record.times.upstream_asked,
                        request_.record.times.upstream_answered, scratch);
  }
  return {};
}

std::string_view RequestValues::Details(Scratch scratch) const {
  const DecisionRecord& record = request_.record;
  if (record.failure.kind == failures::kDenied) return Denial(record.policy, scratch);
  if (record.failure) return record.failure.facts().detail;
  return record.times.upstream_answered == loop::Instant() ? "direct_response" : "via_upstream";
}

int64_t RelayValues::StartNanoseconds() const {
  const auto lasted = relay_.record.ended - relay_.record.started;
  return Nanoseconds(relay_.wall_ended) -
         std::chrono::duration_cast<std::chrono::nanoseconds>(lasted).count();
}

std::string_view RelayValues::Value(const LogField& field, Scratch scratch) const {
  const RelayRecord& record = relay_.record;
  switch (field.op) {
    case LogOperator::kResponseCode:
      return "0";  // as Envoy writes for TCP
    case LogOperator::kCause:
      return CauseIn(record.failure);
    case LogOperator::kResponseFlags:
      return record.failure ? record.failure.facts().flag : std::string_view();
    case LogOperator::kBytesReceived:
      return Number(record.received, scratch);
    case LogOperator::kBytesSent:
      return Number(record.sent, scratch);
    case LogOperator::kDuration:
      return Milliseconds(record.started, record.ended, scratch);
    case LogOperator::kUpstreamCluster:
      return record.cluster;
    case LogOperator::kUpstreamHost:
      return Address(record.upstream, Shown::kBoth, scratch);
    case LogOperator::kUpstreamTransportFailureReason:
      return TransportFailure(record.failure);
    case LogOperator::kConnectionTerminationDetails:
      if (record.failure.kind == failures::kDenied) return Denial(record.policy, scratch);
      return record.failure ? record.failure.facts().detail : std::string_view();
    case LogOperator::kUpstreamPeerUriSan:
      return relay_.upstream_peer == nullptr ? ""
                                             : std::string_view(relay_.upstream_peer->spiffe_id);
    case LogOperator::kUpstreamTlsVersion:
      return tls::VersionName(relay_.upstream_tls);
    case LogOperator::kUpstreamTlsCipher:
      return tls::CipherName(relay_.upstream_tls);
    case LogOperator::kAccessLogType:
      return "TcpConnectionEnd";
    default:
      return Downstream(relay_.downstream, field, scratch);
  }
}

int64_t UnmatchedValues::StartNanoseconds() const { return Nanoseconds(at_); }

std::string_view UnmatchedValues::Value(const LogField& field, Scratch scratch) const {
  switch (field.op) {
    case LogOperator::kResponseFlags:
      return "NR";
    case LogOperator::kCause:
      return connection_.plaintext_refused ? "plaintext_refused" : "no_filter_chain";
    case LogOperator::kConnectionTerminationDetails:
      return NoFilterChain(connection_, scratch);
    default:
      return ClosedConnection(connection_, field.op, scratch);
  }
}

int64_t BrokenValues::StartNanoseconds() const { return Nanoseconds(at_); }

std::string_view BrokenValues::Value(const LogField& field, Scratch scratch) const {
  switch (field.op) {
    case LogOperator::kResponseFlags:
      return FlagOf(connection_.failure.facts());
    case LogOperator::kCause:
      return CauseIn(connection_.failure);
    case LogOperator::kConnectionTerminationDetails:
      return connection_.failure.detail;
    case LogOperator::kDownstreamPeerUriSan:
      return connection_.identity;
    default:
      return ClosedConnection(connection_, field.op, scratch);
  }
}

}  // namespace tulle::proxy
