#include "sidecar/proxy/forwarding.h"

#include <cassert>

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_version.h"
#include "sidecar/proxy/response.h"
#include "sidecar/proxy/retry.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/timeouts.h"
#include "sidecar/proxy/tunnel.h"
#include "sidecar/proxy/unprocessed.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

void ExplainOverflow(Call& call, Failure failure, std::string_view limit,
                     const upstream::Admission& used, uint32_t allowed) {
  if (failure.kind != upstream::failures::kOverflow) return;
  Explain(call, DecisionKind::kClusterLimit, limit, false, failure.detail,
          {.used = used.count(), .allowed = allowed});
}

}  // namespace

Forwarding::Forwarding(Call& call, RequestClocks& clocks, Messages& messages,
                       ForwardingEvents& events)
    : call_(call), clocks_(clocks), messages_(messages), events_(events) {}

Step Forwarding::Connect() {
  const http::Head& request = *call_.request.head;
  AttemptEvents& events = *this;
  attempt_.emplace(events, *call_.cluster, call_.cluster.TakePicked());
  // Also of an attempt that is not sent.
  call_.record.upstream.address = attempt_->endpoint().spec().address;
  call_.record.upstream.peer = call_.record.upstream.labels = {};
  call_.record.upstream.was_asked = false;
  call_.record.upstream.tls_terms = {};
  const upstream::HttpVersion version = VersionFor(call_.cluster->spec(), request);
  if (version == upstream::HttpVersion::k2 && request.upgrade_wanted)
    return Fail(call_, {failures::kUpgradeRefused, "the upstream uses HTTP/2"});
  clocks_.StartRequest();
  Failure failure;
  const bool fresh = call_.retries.fresh_connection() || IsConnect(request);
  if (attempt_->Start(version, fresh, &failure)) return Step::Continue();
  if (!failure) return Step::Pause();
  ExplainOverflow(call_, failure, "max_pending_requests", call_.cluster->limits().pending,
                  call_.cluster->spec().caps.pending_requests);
  call_.spans.EndAttempt(call_, 0, failure);
  ExplainAttempt(call_, attempt_->endpoint(), 0, failure);
  if (!MayRetry(call_, failure, attempt_->IsKeepAliveRace(failure))) return Fail(call_, failure);
  Retry(true);
  return Step::Pause();
}

void Forwarding::RecordUpstream() {
  DecisionRecord& record = call_.record;
  record.times.upstream_asked = call_.services.loop.Now();
  const Transport* transport = attempt_->transport();
  if (transport == nullptr) return;
  record.upstream.is_tls = transport->is_tls();
  record.upstream.tls_terms = transport->tls_terms();
  record.upstream.is_http2 = attempt_->version() == upstream::HttpVersion::k2;
  record.upstream.was_asked = true;
  const PeerIdentity* peer = transport->peer();
  if (peer == nullptr) return;
  record.upstream.peer = call_.arena.Copy(peer->spiffe_id);
  if (!peer->labels.empty()) record.upstream.labels = call_.arena.Copy(peer->labels);
}

Step Forwarding::Send() {
  assert(call_.retries.has_whole_body());
  RecordUpstream();
  if (call_.chosen.route->virtual_host().spec().attempt_count_in_request) {
    call_.request.head->headers.Set(http::HeaderId::kXEnvoyAttemptCount,
                                    Decimal(call_.arena, call_.record.retries.attempts));
  }
  SendTimeLeft(call_);
  messages_.SendRequest(*attempt_->stream());
  return Step::Pause();
}

// The application behind the endpoint's sidecar has not seen the request.
bool Forwarding::MayGoElsewhere(http::Head& head) {
  return TakeUnprocessed(call_, head, attempt_->transport()) && MayRetryUnreached(call_);
}

void Forwarding::OnHead(http::Head& head, bool end) {
  clocks_.EndTry();
  call_.spans.CountMeshTime(call_, true);
  if (MayGoElsewhere(head) || (!BeginsBytes(head) && MayRetryStatus(call_, head))) {
    call_.spans.EndAttempt(call_, head.status, {});
    ExplainAttempt(call_, attempt_->endpoint(), head.status, {});
    attempt_->Abandon({FailureKind::kUpstreamReset, "retried by status"});
    return Retry(true);
  }
  call_.retries.Leave();
  if (!call_.request.ended) clocks_.EndRequest();
  ReceiveResponse(call_, head);
  if (end) EndResponse(call_, nullptr);
  messages_.SendResponse(end);
  if (end) return events_.OnBodySent();
  clocks_.TouchIdle();
  clocks_.TouchAttempt();
  messages_.PullResponse();
}

void Forwarding::OnData(Buffer& data, bool end) {
  if (call_.services.NearlyOutOfMemory()) {
    data.Clear();
    return events_.OnForwardingFailed({FailureKind::kMemoryShort, "response body"});
  }
  if (end) EndResponse(call_, nullptr);
  messages_.ReceiveResponse(data, end);
  if (messages_.done()) return events_.OnBodySent();
  clocks_.TouchIdle();
  clocks_.TouchAttempt();
}

void Forwarding::OnTrailers(http::HeaderMap& trailers) {
  EndResponse(call_, &trailers);
  messages_.ReceiveResponseTrailers(trailers);
  if (messages_.done()) events_.OnBodySent();
}

void Forwarding::OnBreakerOpened() {
  Explain(call_, DecisionKind::kBreaker, attempt_->endpoint().spec().address.ToString(), false,
          "opened by this attempt");
}

void Forwarding::OnFailed(Failure failure) {
  ExplainOverflow(call_, failure, "max_connections", call_.cluster->limits().connections,
                  call_.cluster->spec().caps.connections);
  clocks_.EndAttempt();
  messages_.DetachUpstream();
  call_.spans.EndAttempt(call_, call_.response.started ? call_.record.status : 0, failure);
  call_.spans.CountMeshTime(call_, true);
  ExplainAttempt(call_, attempt_->endpoint(), call_.response.started ? call_.record.status : 0,
                 failure);
  if (MayRetry(call_, failure, attempt_->IsKeepAliveRace(failure)))
    return Retry(call_.retries.done() > 0);
  events_.OnForwardingFailed(failure);
}

void Forwarding::OnTryTimeout() {
  if (attempt_) attempt_->Abandon({failures::kPerTryTimeout});
  OnFailed({failures::kPerTryTimeout});
}

void Forwarding::OnIdleTimeout() {
  if (attempt_ && messages_.request_sent() && !call_.response.started)
    attempt_->Abandon({FailureKind::kRequestTimeout});
}

void Forwarding::Retry(bool with_back_off) {
  clocks_.EndAttempt();
  messages_.DetachUpstream();
  loop::Duration wait{};
  if (with_back_off && call_.retries.done() > 0) {
    wait = call_.retries.BackOff(*call_.chosen.forward()->retry, call_.services.loop.random());
  }
  clocks_.StartBackOff(wait);
}

void Forwarding::End() {
  const Failure failure = call_.record.failure;
  const bool answered =
      call_.response.started && call_.record.times.upstream_answered != loop::Instant();
  call_.spans.CountMeshTime(call_, false);
  call_.spans.End(call_, answered ? call_.record.status : 0, failure);
  if (!attempt_) return;
  if (const Transport* transport = attempt_->transport())
    call_.record.upstream.local = transport->LocalAddress();
  if (messages_.request_sent() && call_.response.ended) attempt_->Complete();
  attempt_->Abandon(failure ? failure : Failure{FailureKind::kDownstreamClosed});
}

}  // namespace tulle::proxy
