// Answers that Tulle gives by itself. To a gRPC caller an answer is a Trailers-Only response with
// status 200.

#include <utility>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

// What Envoy answers where only an HTTP status is known.
std::string_view GrpcStatusOf(int http_status) {
  switch (http_status) {
    case 400:
      return "13";
    case 401:
      return "16";
    case 403:
      return "7";
    case 404:
      return "12";
    case 429:
    case 502:
    case 503:
    case 504:
      return "14";
    default:
      return "2";
  }
}

}  // namespace

// The table's status, but where the route says another, and where time ran out before the request
// was there: then it was not we who were slow.
int Exchange::LocalStatus() const {
  if (failure_.kind == FailureKind::kNoCluster) return route_->forward()->cluster_not_found_status;
  if (policy_answer_.status != 0) return policy_answer_.status;
  const int status = failure_.facts().status;
  return status == 504 && !request_ended_ ? 408 : status;
}

void Exchange::SendLocalReply() {
  const FailureFacts& facts = failure_.facts();
  record_.failure = failure_;
  if (response_started_ || facts.status == 0) {
    // Too late for an answer: the caller must not take what it has for the whole.
    record_.response_truncated = response_started_;
    if (http::Stream* stream = std::exchange(downstream_, nullptr)) stream->Reset(failure_);
  } else if (downstream_ != nullptr) {
    Reply(LocalStatus(), facts.body, {});
  }
  Finish();
}

void Exchange::AddPolicyHeaders(http::HeaderMap& headers) {
  if (policy_answer_.retry_after > 0)
    headers.Set(http::HeaderId::kRetryAfter, Decimal(policy_answer_.retry_after));
  if (policy_answer_.headers == nullptr) return;
  for (const auto& [name, value] : *policy_answer_.headers) headers.Add(name, value);
}

void Exchange::Reply(int status, std::string_view body, std::string_view location) {
  using http::HeaderId;
  http::Head* head = arena_.New<http::Head>(arena_);
  head->status = status;
  const bool grpc = request_ != nullptr && request_->is_grpc();
  if (grpc) {
    head->status = 200;
    head->headers.Set(HeaderId::kContentType, "application/grpc");
    record_.grpc_status = failure_ && policy_answer_.status == 0
                              ? Decimal(failure_.facts().grpc_status)
                              : GrpcStatusOf(status);
    if (policy_answer_.grpc_status >= 0)
      record_.grpc_status = Decimal(static_cast<uint64_t>(policy_answer_.grpc_status));
    head->headers.Set(HeaderId::kGrpcStatus, record_.grpc_status);
    if (!body.empty()) head->headers.Set(HeaderId::kGrpcMessage, body);
  } else {
    if (!body.empty()) head->headers.Set(HeaderId::kContentType, "text/plain");
    head->headers.Set(HeaderId::kContentLength, Decimal(body.size()));
    head->content_length = static_cast<int64_t>(body.size());
  }
  if (!location.empty()) head->headers.Set(HeaderId::kLocation, location);
  if (failure_.kind == FailureKind::kOverflow)
    head->headers.Set(HeaderId::kXEnvoyOverloaded, "true");
  AddPolicyHeaders(head->headers);
  response_ = head;
  record_.status = head->status;
  RewriteResponse();
  response_started_ = true;
  response_ended_ = true;
  const bool end = grpc || body.empty() || request_->method == "HEAD";
  downstream_->SendHeaders(*head, end);
  if (end) return;
  Buffer text(services_.loop.slab());
  text.Append(body);
  record_.response_bytes = body.size();
  downstream_->SendData(text, true);
}

}  // namespace tulle::proxy
