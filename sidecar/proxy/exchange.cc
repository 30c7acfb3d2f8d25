#include "sidecar/proxy/exchange.h"

#include <utility>

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/response.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

// The table of contents: the phases of a request from its head to its response.
Step Run(Phase phase, Call& call, RequestClocks& clocks, Forwarding& forwarding) {
  switch (phase) {
    case Phase::kIdentify:
      return Identify(call);
    case Phase::kRoute: {
      const Step step = MatchRoute(call);
      clocks.StartStream();
      return step;
    }
    case Phase::kAuthorize:
      return Authorize(call);
    case Phase::kLimit:
      return Limit(call);
    case Phase::kDelay:
      return call.chain.spec.injects_faults ? DelayByFault(call) : Step::Continue();
    case Phase::kAbort:
      return call.chain.spec.injects_faults ? AbortByFault(call) : Step::Continue();
    case Phase::kPrepare:
      return Prepare(call);
    case Phase::kAdmit:
      return Admit(call);
    case Phase::kPickEndpoint:
      return PickEndpoint(call);
    case Phase::kConnect:
      return forwarding.Connect();
    case Phase::kForward:
      return forwarding.Send();
    case Phase::kReceiveHead:
    case Phase::kReply:
    case Phase::kLog:
    case Phase::kDone:
      break;
  }
  return Step::Pause();
}

Phase After(Phase phase) { return static_cast<Phase>(static_cast<uint8_t>(phase) + 1); }

}  // namespace

Exchange::Exchange(ExchangeOwner& owner, Services& services, const HttpChain& chain, Caller& caller,
                   http::Stream& downstream)
    : owner_(owner),
      call_(services, chain, caller),
      downstream_(&downstream),
      clocks_(call_, *this),
      messages_(call_, clocks_, downstream, *this),
      forwarding_(call_, clocks_, messages_, *this) {}

void Exchange::Advance(Phase phase) {
  phase_ = phase;
  if (advancing_) return;  // the loop below goes on with it
  advancing_ = true;
  for (bool more = true; more;) {
    const Phase running = phase_;
    const Step step = Run(running, call_, clocks_, forwarding_);
    if (phase_ != running) continue;  // an event has come meanwhile
    switch (step.kind()) {
      [[likely]] case Step::Kind::kContinue : phase_ = After(running);
      break;
      case Step::Kind::kPause:
        more = false;
        break;
      case Step::Kind::kDelay:
        clocks_.StartDelay(step.delay());
        more = false;
        break;
      case Step::Kind::kAnswer:
        Reply(step.answer());
        more = false;
        break;
    }
  }
  advancing_ = false;
}

void Exchange::OnHeaders(http::Head& head, bool end) {
  call_.request.head = &head;
  call_.record.request = &head;
  if (head.is_grpc()) call_.record.grpc = call_.arena.New<GrpcBodies>();
  call_.record.original_path = head.path;
  if (end) {
    messages_.EndRequest();
    messages_.ReceiveNoBody();
  } else {
    clocks_.AwaitBody();
  }
  // A body that is announced as empty has not ended yet for HTTP/1.1: see its end before the head
  // goes out.
  if (!end && head.content_length == 0) {
    clocks_.TouchIdle();
    return downstream_->Pull(1);
  }
  Advance(Phase::kIdentify);
}

void Exchange::OnData(Buffer& data, bool end) {
  if (call_.services.NearlyOutOfMemory()) {
    data.Clear();
    return OnForwardingFailed({FailureKind::kMemoryShort, "request body"});
  }
  if (end) messages_.EndRequest();
  if (phase_ != Phase::kReceiveHead) clocks_.TouchIdle();
  messages_.ReceiveRequest(data, end);
  if (phase_ == Phase::kReceiveHead && end) return Advance(Phase::kIdentify);
  if (end) OnBodySent();
}

void Exchange::OnTrailers(http::HeaderMap& trailers) {
  messages_.EndRequest();
  if (!CheckUnderscores(call_.chain.spec, trailers))
    return OnForwardingFailed({FailureKind::kBadRequest, "underscore in a header name"});
  if (phase_ != Phase::kReceiveHead) clocks_.TouchIdle();
  messages_.ReceiveRequestTrailers(trailers);
  if (phase_ == Phase::kReceiveHead) Advance(Phase::kIdentify);
}

const http::HeaderMap* Exchange::RefusalHeaders(Failure failure) {
  if (call_.request.head == nullptr) IdentifyUnread(call_);
  return proxy::RefusalHeaders(call_, failure);
}

// The downstream codec refused the request, or its peer closed the connection.
void Exchange::OnReset(Failure failure) {
  DecisionRecord& record = call_.record;
  record.failure = failure;
  if (!call_.response.started && failure.facts().status != 0)
    record.status = failure.facts().status;
  Finish();
}

void Exchange::OnSendRoom() {
  messages_.PullResponse();
  if (phase_ != Phase::kReply) return;
  clocks_.TouchIdle();
  OnBodySent();
}

void Exchange::OnBodySent() {
  if (messages_.done()) Finish();
}

void Exchange::OnForwardingFailed(Failure failure) { Reply(Fail(call_, failure).answer()); }

void Exchange::OnTime(Clock clock) {
  switch (clock) {
    case Clock::kRequest:
      if (call_.request.head == nullptr) return Abort({FailureKind::kRequestHeadersTimeout});
      return OnForwardingFailed(
          {call_.request.ended ? FailureKind::kRequestTimeout : failures::kReceiveTimeout});
    case Clock::kPerTry:
      return forwarding_.OnTryTimeout();
    case Clock::kIdle:
      forwarding_.OnIdleTimeout();
      return OnForwardingFailed({failures::kStreamIdleTimeout});
    case Clock::kDuration:
      return OnForwardingFailed({failures::kStreamDuration});
    case Clock::kBackOff:
      return Advance(Phase::kPickEndpoint);
    case Clock::kDelay:
      return Advance(After(phase_));
  }
}

// The one way in which an answer of our own goes out.
void Exchange::Reply(const Answer& answer) {
  const Failure failure = answer.failure;
  call_.record.failure = failure;
  if (call_.response.started || (failure && failure.facts().status == 0)) {
    // Too late for an answer: the caller must not take what it has for the whole.
    call_.record.response_truncated = call_.response.started;
    downstream_->Reset(failure);
    downstream_ = nullptr;
    return Finish();
  }
  phase_ = Phase::kReply;
  const bool body = ReceiveAnswer(call_, answer);
  call_.record.bytes.response = body ? answer.body_size : 0;
  EndResponse(call_, nullptr);
  messages_.SendResponse(!body);
  if (body) messages_.SendBody(*answer.body);
  if (messages_.done()) return Finish();
  forwarding_.End();  // the rest waits for room
  messages_.DetachUpstream();
}

void Exchange::Abort(Failure why) {
  call_.record.failure = why;
  if (http::Stream* stream = std::exchange(downstream_, nullptr)) stream->Reset(why);
  Finish();
}

void Exchange::Reauthorize(const config::HttpSpec& spec) {
  if (messages_.upgraded() && !StillAuthorized(call_, spec))
    Abort({failures::kDenied, "the rules have changed"});
}

size_t Exchange::held_bytes() const {
  return call_.arena.bytes() + call_.retries.body().footprint() + messages_.held_bytes();
}

// Every path ends here: both streams are let go of, whatever their state, and the request is
// logged.
void Exchange::Finish() {
  if (phase_ >= Phase::kLog) return;
  phase_ = Phase::kLog;
  clocks_.Clear();
  call_.record.times.ended = call_.services.loop.Now();
  if (call_.request.head == nullptr) IdentifyUnread(call_);
  forwarding_.End();
  messages_.Close();
  if (http::Stream* stream = std::exchange(downstream_, nullptr)) stream->Detach();
  call_.retries.Leave();
  call_.policy.fault.Leave();
  call_.services.observer.OnRequestEnd(call_);
  forwarding_.Release();
  call_.cluster.Leave();
  phase_ = Phase::kDone;
  owner_.OnExchangeDone(*this);
}

}  // namespace tulle::proxy
