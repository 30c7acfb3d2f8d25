// Both bodies on their way: a side is given credit for what the other side has room for, and
// nothing else.

#include <algorithm>
#include <cassert>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

// A stream of the endpoint is there: the head goes out, then what is kept of the body (after a
// retry), then the rest as it comes.
Step Exchange::Forward() {
  assert(retries_.has_whole_body());
  http::Stream& upstream = *attempt_->stream();
  record_.upstream_asked = services_.loop.Now();
  record_.upstream = attempt_->endpoint().spec().address;
  if (attempt_->transport() != nullptr) {
    record_.upstream_tls = attempt_->transport()->is_tls();
    const PeerIdentity* peer = attempt_->transport()->peer();
    if (peer != nullptr) record_.upstream_peer = arena_.Copy(peer->spiffe_id);
  }
  if (route_->virtual_host().spec().attempt_count_in_request) {
    request_->headers.Set(http::HeaderId::kXEnvoyAttemptCount, Decimal(record_.attempts));
  }
  TellTimeLeft();
  const bool body_is_over =
      request_ended_ && retries_.body().empty() && request_trailers_ == nullptr;
  upstream.SendHeaders(*request_, body_is_over);
  CountMeshTime(false);
  StartMirrors(body_is_over);
  request_sent_ = body_is_over;
  StartResponseTimeouts();
  TouchAttempt();
  PullResponse();
  if (!body_is_over) {
    if (!retries_.body().empty()) {
      Buffer again(services_.loop.slab());
      again.AppendShared(retries_.body());
      SendRequestBody(again, request_ended_ && request_trailers_ == nullptr);
    }
    if (request_ended_) {
      EndRequest();
    } else {
      PullRequest();
    }
  }
  return Step::kPause;
}

void Exchange::OnAttemptStream() { Advance(); }

void Exchange::PullRequest() {
  if (downstream_ == nullptr || request_ended_ || !attempt_ || attempt_->stream() == nullptr)
    return;
  const size_t room = attempt_->stream()->SendRoom();
  if (room <= request_credit_) return;
  if (request_->expects_continue && !continue_sent_) {
    continue_sent_ = true;
    http::Head interim(arena_);
    interim.status = 100;
    downstream_->SendInterim(interim);
  }
  const size_t more = room - request_credit_;
  request_credit_ = room;
  downstream_->Pull(more);
}

void Exchange::OnData(Buffer& data, bool end) {
  if (EndIfNearlyOut()) return data.Clear();
  if (upgraded_) return OnBytes(data, end);
  const size_t size = data.size();
  record_.request_bytes += size;
  request_credit_ -= std::min(request_credit_, size);
  if (end) RequestReceived();
  if (phase_ == Phase::kIdentify && end) return Advance();
  TouchIdle();
  FeedMirrors(data, end);
  if (!attempt_ || attempt_->stream() == nullptr) return retries_.Hold(data);
  if (!response_started_) retries_.Keep(data, chain_.replay_limit);
  SendRequestBody(data, end);
  if (end) return StartResponseTimeouts();
  PullRequest();
}

// The memory that is left is for those whose bodies are small.
bool Exchange::EndIfNearlyOut() {
  Slab& slab = services_.loop.slab();
  if (!slab.nearly_out() || !slab.short_of_memory()) return false;
  failure_ = {FailureKind::kMemoryShort, "its body"};
  SendLocalReply();
  return true;
}

size_t Exchange::held_bytes() const {
  size_t sum = arena_.bytes() + retries_.body().footprint();
  if (downstream_ != nullptr) sum += downstream_->held_bytes();
  if (attempt_ && attempt_->stream() != nullptr) sum += attempt_->stream()->held_bytes();
  return sum;
}

void Exchange::RequestReceived() {
  request_ended_ = true;
  record_.request_ended = services_.loop.Now();
  request_deadline_.Clear();
}

void Exchange::SendRequestBody(Buffer& data, bool end) {
  attempt_->stream()->SendData(data, end);
  TouchAttempt();
  if (end) request_sent_ = true;
}

void Exchange::OnTrailers(http::HeaderMap& trailers) {
  RequestReceived();
  request_trailers_ = &trailers;
  if (!TakeUnderscores(trailers)) {
    failure_ = {FailureKind::kBadRequest, "underscore in a header's name"};
    return SendLocalReply();
  }
  if (phase_ == Phase::kIdentify) return Advance();
  TouchIdle();
  if (attempt_ && attempt_->stream() != nullptr) EndRequest();
  StartResponseTimeouts();
}

void Exchange::EndRequest() {
  if (request_sent_) return;
  if (request_trailers_ != nullptr) attempt_->stream()->SendTrailers(*request_trailers_);
  request_sent_ = true;
}

void Exchange::OnUpstreamRoom() { PullRequest(); }

void Exchange::OnResponseInterim(http::Head& head) {
  // 100 is answered here when the body is wanted; the others (102, 103) are for the caller.
  if (downstream_ == nullptr || head.status == 100 || response_started_) return;
  downstream_->SendInterim(head);
}

void Exchange::OnResponseHead(http::Head& head, bool end) {
  per_try_deadline_.Clear();
  CountMeshTime(true);
  const bool upgraded = head.status == 101;
  if (!upgraded && MayRetryStatus(head)) {
    EndAttemptTrace(head.status, {});
    attempt_->Abandon({FailureKind::kUpstreamReset, "retried by status"});
    return ScheduleRetry(true);
  }
  retries_.Leave();
  if (!request_ended_) request_deadline_.Clear();
  response_ = &head;
  response_ended_ = end;
  record_.upstream_answered = services_.loop.Now();
  record_.status = head.status;
  record_.grpc_status = head.headers.Get(http::HeaderId::kGrpcStatus);
  RewriteResponse();
  response_started_ = true;
  retries_.Release();
  downstream_->SendHeaders(head, end);
  CountMeshTime(false);
  if (end) return Finish();
  if (upgraded) OpenBothWays();
  TouchIdle();
  TouchAttempt();
  PullResponse();
}

void Exchange::PullResponse() {
  if (downstream_ == nullptr || response_ended_ || !attempt_ || attempt_->stream() == nullptr)
    return;
  const size_t room = downstream_->SendRoom();
  if (room <= response_credit_) return;
  const size_t more = room - response_credit_;
  response_credit_ = room;
  attempt_->stream()->Pull(more);
}

void Exchange::OnResponseData(Buffer& data, bool end) {
  if (EndIfNearlyOut()) return data.Clear();
  const size_t size = data.size();
  record_.response_bytes += size;
  response_credit_ -= std::min(response_credit_, size);
  response_ended_ = end;
  downstream_->SendData(data, end);
  if (end && !(upgraded_ && !request_sent_)) return Finish();
  TouchIdle();
  TouchAttempt();
  PullResponse();
}

void Exchange::OnResponseTrailers(http::HeaderMap& trailers) {
  response_ended_ = true;
  if (trailers.Has(http::HeaderId::kGrpcStatus))
    record_.grpc_status = trailers.Get(http::HeaderId::kGrpcStatus);
  downstream_->SendTrailers(trailers);
  Finish();
}

void Exchange::OnSendRoom() { PullResponse(); }

}  // namespace tulle::proxy
