#include "sidecar/proxy/exchange.h"

#include <utility>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

Exchange::Exchange(DownstreamConnection& connection, http::Stream& downstream)
    : connection_(connection),
      services_(connection.services()),
      chain_(connection.chain()),
      downstream_(&downstream),
      arena_(services_.loop.slab()),
      retries_(services_.loop.slab()),
      request_deadline_(this, Call<&Exchange::OnRequestTimeout>),
      per_try_deadline_(this, Call<&Exchange::OnPerTryTimeout>),
      per_try_idle_deadline_(this, Call<&Exchange::OnPerTryTimeout>),
      idle_deadline_(this, Call<&Exchange::OnIdleTimeout>),
      duration_deadline_(this, Call<&Exchange::OnDurationOver>),
      back_off_(this, Call<&Exchange::OnBackOffOver>) {
  record_.started = services_.loop.Now();
  record_.wall_started = services_.loop.WallNow();
}

Exchange::~Exchange() = default;

void Exchange::OnHeaders(http::Head& head, bool end) {
  request_ = &head;
  record_.request = &head;
  record_.original_path = head.path;
  request_deadline_.Clear();
  if (end) {
    RequestReceived();
  } else {
    StartReceiveTimeout();
  }
  phase_ = Phase::kIdentify;
  // What is announced as empty is complete for HTTP/1.1 once its head is out: its end must be seen
  // before.
  if (!end && head.content_length == 0) {
    TouchIdle();
    return downstream_->Pull(1);
  }
  Advance();
}

// The table of contents: one request from its head to its log line.
void Exchange::Advance() {
  if (advancing_) return;  // the loop below goes on by itself
  advancing_ = true;
  Step step = Step::kContinue;
  while (step == Step::kContinue) {
    switch (phase_) {
      case Phase::kIdentify:
        phase_ = Phase::kRoute;
        step = Identify();
        break;
      case Phase::kRoute:
        phase_ = Phase::kAuthorize;
        step = MatchRoute();
        break;
      case Phase::kAuthorize:
        phase_ = Phase::kLimit;
        step = Authorize();
        break;
      case Phase::kLimit:
        phase_ = Phase::kPrepare;
        step = Limit();
        break;
      case Phase::kPrepare:
        phase_ = Phase::kAdmit;
        step = Prepare();
        break;
      case Phase::kAdmit:
        phase_ = Phase::kPickEndpoint;
        step = Admit();
        break;
      case Phase::kPickEndpoint:
        phase_ = Phase::kConnect;
        step = PickEndpoint();
        break;
      case Phase::kConnect:
        phase_ = Phase::kForward;
        step = Connect();
        break;
      case Phase::kForward:
        step = Forward();
        break;
      case Phase::kLog:
        phase_ = Phase::kDone;
        Log();
        step = Step::kPause;
        break;
      case Phase::kReceiveHead:
      case Phase::kDone:
        step = Step::kPause;
        break;
    }
    if (step == Step::kRespond) {
      SendLocalReply();
      step = Step::kContinue;  // with kLog
    }
  }
  advancing_ = false;
}

Step Exchange::Respond(Failure failure) {
  failure_ = failure;
  return Step::kRespond;
}

// The downstream codec refused the request, or its peer has gone.
void Exchange::OnReset(Failure failure) {
  record_.failure = failure;
  if (!response_started_ && failure.facts().status != 0) record_.status = failure.facts().status;
  Finish();
}

void Exchange::Abort(Failure why) {
  record_.failure = why;
  if (http::Stream* stream = std::exchange(downstream_, nullptr)) stream->Reset(why);
  Finish();
}

// Lets go of both sides, whatever their state, and logs.
void Exchange::Finish() {
  if (phase_ == Phase::kDone) return;
  for (loop::Deadline* deadline : {&request_deadline_, &per_try_deadline_, &per_try_idle_deadline_,
                                   &idle_deadline_, &duration_deadline_, &back_off_}) {
    deadline->Clear();
  }
  record_.ended = services_.loop.Now();
  CountMeshTime(false);
  EndAttemptTrace(
      response_started_ && record_.upstream_answered != loop::Instant() ? record_.status : 0,
      record_.failure);
  if (attempt_) {
    if (attempt_->transport() != nullptr)
      record_.upstream_local = attempt_->transport()->LocalAddress();
    if (request_sent_ && response_ended_) attempt_->Complete();
    attempt_->Abandon(record_.failure ? record_.failure : Failure{FailureKind::kDownstreamClosed});
  }
  if (http::Stream* stream = std::exchange(downstream_, nullptr)) stream->Detach();
  retries_.Leave();
  LeaveFault();
  EndMirrors();
  phase_ = Phase::kLog;
  Advance();
}

void Exchange::Log() {
  services_.observer.OnExchangeEnd(*this);
  attempt_.reset();
  if (cluster_ != nullptr) {
    if (admitted_) cluster_->LeaveRequest();
    services_.clusters.Release(*cluster_);
    cluster_ = nullptr;
  }
  connection_.OnExchangeDone(*this);
}

}  // namespace tulle::proxy
