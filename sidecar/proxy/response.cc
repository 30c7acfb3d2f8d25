#include "sidecar/proxy/response.h"

#include "net/grpc/status.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/unprocessed.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;

void AddCookies(Call& call) {
  const route::ForwardSpec* forward = call.chosen.forward();
  if (forward == nullptr || forward->hash.empty() || call.cluster.get() == nullptr ||
      call.cluster->spec().balancing != upstream::Balancing::kRingHash) {
    return;
  }
  route::AddCookies(forward->hash, *call.request.head, NewCookie(call),
                    call.response.head->headers);
}

void AddQuota(Call& call, const RateLimitQuota& quota) {
  http::HeaderMap& headers = call.response.head->headers;
  headers.Set("x-ratelimit-limit", Decimal(call.arena, quota.limit));
  headers.Set("x-ratelimit-remaining", Decimal(call.arena, quota.remaining));
  headers.Set("x-ratelimit-reset", Decimal(call.arena, quota.reset_seconds));
}

// Of an error of our own. Who gets it can ask for its request. A cause that an upstream has sent
// passes untouched: the sidecar of the service may know more than this one.
void AddExplanation(const Call& call, Failure failure, http::HeaderMap& headers) {
  const std::string_view id = call.request.head->headers.Get(HeaderId::kXRequestId);
  if (!id.empty()) headers.Set(HeaderId::kXRequestId, id);
  if (call.services.shows_causes && failure) headers.Set("x-tulle-cause", failure.facts().cause);
}

void MakeGrpc(Call& call, const Answer& answer) {
  http::Head& head = *answer.head;
  const int status = answer.grpc_status >= 0 ? answer.grpc_status
                                             : static_cast<int>(grpc::CodeOfHttp(head.status));
  head.status = 200;
  head.headers.Set(HeaderId::kContentType, "application/grpc");
  call.record.grpc_status = Decimal(call.arena, static_cast<uint64_t>(status));
  head.headers.Set(HeaderId::kGrpcStatus, call.record.grpc_status);
  if (!answer.message.empty())
    head.headers.Set(HeaderId::kGrpcMessage, call.arena.Copy(grpc::EncodeMessage(answer.message)));
}

}  // namespace

void ReceiveResponse(Call& call, http::Head& head) {
  call.response.head = &head;
  call.record.times.upstream_answered = call.services.loop.Now();
  call.record.status = head.status;
  call.record.grpc_status = head.headers.Get(HeaderId::kGrpcStatus);
  if (call.record.grpc != nullptr) call.record.grpc->is_answered_in_grpc = head.is_grpc();
}

bool ReceiveAnswer(Call& call, const Answer& answer) {
  http::Head& head = *answer.head;
  const bool grpc = call.record.grpc != nullptr;
  if (answer.failure || head.status >= 400) AddExplanation(call, answer.failure, head.headers);
  if (grpc) {
    MakeGrpc(call, answer);
  } else {
    if (answer.body != nullptr && !head.headers.Has(HeaderId::kContentType))
      head.headers.Set(HeaderId::kContentType, "text/plain");
    head.headers.Set(HeaderId::kContentLength, Decimal(call.arena, answer.body_size));
    head.content_length = static_cast<int64_t>(answer.body_size);
  }
  if (!head.headers.Has(HeaderId::kDate)) {
    Services& services = call.services;
    head.headers.Set(HeaderId::kDate, call.arena.Copy(services.date.At(services.loop.WallNow())));
  }
  if (answer.failure.kind == upstream::failures::kOverflow)
    head.headers.Set(HeaderId::kXEnvoyOverloaded, "true");
  MarkUnprocessed(call, answer);
  call.response.head = &head;
  call.record.status = head.status;
  return !grpc && answer.body != nullptr && call.request.head->method != "HEAD";
}

const http::HeaderMap* RefusalHeaders(Call& call, Failure failure) {
  auto* headers = call.arena.New<http::HeaderMap>(call.arena);
  AddExplanation(call, failure, *headers);
  return headers;
}

void PrepareResponse(Call& call) {
  http::HeaderMap& headers = call.response.head->headers;
  const config::HttpSpec& spec = call.chain.spec;
  AddCookies(call);
  if (call.chosen.target != nullptr) route::Apply(call.chosen.target->response_headers, headers);
  headers.Set(HeaderId::kServer, spec.server_name);
  if (!spec.via.empty()) AddVia(spec, headers);
  if (call.policy.quota) AddQuota(call, *call.policy.quota);
  if (spec.request_id_in_response && call.request.head != nullptr)
    headers.Set(HeaderId::kXRequestId, call.request.head->headers.Get(HeaderId::kXRequestId));
  const route::Route* route = call.chosen.route;
  if (route == nullptr || !route->virtual_host().spec().attempt_count_in_response) return;
  headers.Set(HeaderId::kXEnvoyAttemptCount, Decimal(call.arena, call.record.retries.attempts));
}

void EndResponse(Call& call, http::HeaderMap* trailers) {
  call.response.ended = true;
  if (trailers != nullptr && trailers->Has(HeaderId::kGrpcStatus))
    call.record.grpc_status = trailers->Get(HeaderId::kGrpcStatus);
}

}  // namespace tulle::proxy
