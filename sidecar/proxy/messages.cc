#include "sidecar/proxy/messages.h"

#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/mirroring.h"
#include "sidecar/proxy/response.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/tunnel.h"

namespace tulle::proxy {

Messages::Messages(Call& call, RequestClocks& clocks, http::Stream& downstream,
                   BodyFlowEvents& events)
    : call_(call),
      clocks_(clocks),
      downstream_(&downstream),
      request_(events, call.services.loop.slab()),
      response_(events, call.services.loop.slab()) {
  request_.From(downstream_);
  request_.KeepFor(&call.retries, call.chain.replay_limit);
  response_.To(downstream_);
}

void Messages::EndRequest() {
  call_.request.ended = true;
  if (upgraded_) return;
  call_.record.times.request_ended = call_.services.loop.Now();
  clocks_.EndRequest();
}

void Messages::ReceiveRequest(Buffer& data, bool end) {
  call_.record.bytes.request += data.size();
  if (call_.record.grpc != nullptr) call_.record.grpc->request.Pass(data);
  request_.Receive(data, end);
  if (upstream_ == nullptr) {
    if (end) StartClocksUnsent();
    return;
  }
  clocks_.TouchAttempt();
  if (!end) return PullRequest();
  if (!upgraded_) clocks_.StartAttempt();
}

void Messages::ReceiveRequestTrailers(http::HeaderMap& trailers) {
  request_.ReceiveTrailers(trailers);
  if (upstream_ == nullptr) return StartClocksUnsent();
  clocks_.StartAttempt();
}

// The request has ended while it waits for a connection, or for its next attempt.
void Messages::StartClocksUnsent() {
  if (call_.record.retries.attempts > 0) clocks_.StartRequest();
}

void Messages::SendRequest(http::Stream& upstream) {
  const bool first = !std::exchange(request_begun_, true);
  BodyStages* stages = call_.services.body_stages;
  if (first && stages != nullptr) stages->OnRequest(call_, request_);
  upstream_ = &upstream;
  request_.To(upstream_);
  response_.From(upstream_);
  const bool end = request_.sent();
  upstream.SendHeaders(*call_.request.head, end);
  call_.spans.CountMeshTime(call_, false);
  if (first && !call_.chosen.forward()->mirrors.empty()) {
    if (auto mirrors = StartMirrors(call_, end)) request_.AddStage(std::move(mirrors));
  }
  clocks_.StartAttempt();
  clocks_.TouchAttempt();
  PullResponse();
  if (end) return;
  request_.Replay();
  PullRequest();
}

void Messages::PullRequest() {
  if (call_.request.head->expects_continue && !continue_sent_ && request_.Wanted() > 0) {
    continue_sent_ = true;
    http::Head interim(call_.arena);
    interim.status = 100;
    downstream_->SendInterim(interim);
  }
  request_.Pull();
}

void Messages::DetachUpstream() {
  upstream_ = nullptr;
  request_.To(nullptr);
  response_.From(static_cast<http::Stream*>(nullptr));
}

void Messages::SendInterim(const http::Head& head) {
  // 100 is answered here when the body is wanted; the others (102, 103) are for the caller.
  if (head.status != 100 && !call_.response.started) downstream_->SendInterim(head);
}

void Messages::SendResponse(bool end) {
  const http::Head& head = *call_.response.head;
  PrepareResponse(call_);
  BodyStages* stages = call_.services.body_stages;
  if (!end && stages != nullptr && !BeginsBytes(head)) stages->OnResponse(call_, response_);
  call_.response.started = true;
  request_.KeepFor(nullptr, 0);
  call_.retries.Release();
  downstream_->SendHeaders(head, end);
  call_.spans.CountMeshTime(call_, false);
  if (end) return response_.SetEmpty();
  if (BeginsBytes(head)) Upgrade();
}

// How long the response takes no longer matters; silence and duration do.
void Messages::Upgrade() {
  upgraded_ = true;
  clocks_.EndRequest();
  call_.request.ended = false;
  request_.Reopen();
  PullRequest();
}

void Messages::ReceiveResponse(Buffer& data, bool end) {
  call_.record.bytes.response += data.size();
  GrpcBodies* grpc = call_.record.grpc;
  if (grpc != nullptr && grpc->is_answered_in_grpc) grpc->response.Pass(data);
  response_.Receive(data, end);
  if (!end) PullResponse();
}

size_t Messages::held_bytes() const {
  size_t sum = request_.held_bytes() + response_.held_bytes();
  if (downstream_ != nullptr) sum += downstream_->held_bytes();
  if (upstream_ != nullptr) sum += upstream_->held_bytes();
  return sum;
}

void Messages::Close() {
  downstream_ = upstream_ = nullptr;
  request_.Close();
  response_.Close();
}

}  // namespace tulle::proxy
