#pragma once

#include <cstdint>

#include "net/base/intrusive_list.h"
#include "net/base/slab_allocated.h"
#include "net/http/stream.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/clocks.h"
#include "sidecar/proxy/forwarding.h"
#include "sidecar/proxy/messages.h"

namespace tulle::config {
struct HttpSpec;
}

namespace tulle::proxy {

class Exchange;

class ExchangeOwner {
 public:
  // It has ended: unlink it and hand it to DeferDelete.
  virtual void OnExchangeDone(Exchange& exchange) = 0;

 protected:
  ~ExchangeOwner() = default;
};

// The life of a request, in order. The phase is the one that runs, or that waits for an event. A
// retry goes back to kPickEndpoint; every path ends in kLog.
enum class Phase : uint8_t {
  kReceiveHead,
  kIdentify,      // identify.cc: headers about the caller, trace
  kRoute,         // routing.cc: path normalisation, route table
  kAuthorize,     // authorize.cc
  kLimit,         // limiting.cc: rate limits
  kDelay,         // faults.cc: an injected delay
  kAbort,         // faults.cc: an injected failure
  kPrepare,       // routing.cc: redirect, direct response, header changes
  kAdmit,         // pick_endpoint.cc: the cluster and its limits
  kPickEndpoint,  // pick_endpoint.cc
  kConnect,       // forwarding.cc: a stream of the endpoint's pool
  kForward,       // forwarding.cc, messages.cc: both messages; response.cc
  kReply,         // response.cc: an answer of our own
  kLog,           // access log, metrics, spans
  kDone,
};

// One request and its response, from the head to the log line. exchange.cc is the table of
// contents; what the phases work on is the Call, and the parts own what lasts longer than a phase.
//
// Owner: DownstreamConnection, until OnExchangeDone. Thread: the worker's.
class Exchange final : public http::StreamEvents,
                       public Deletable,
                       public SlabAllocated,
                       public ListNode<Exchange>,
                       private ForwardingEvents,
                       private ClockEvents {
 public:
  Exchange(ExchangeOwner& owner, Services& services, const HttpChain& chain, Caller& caller,
           http::Stream& downstream);

  // The head has begun to arrive (HTTP/2; the codec of HTTP/1.1 has a clock of its own).
  void AwaitHead() { clocks_.AwaitHead(); }
  // StreamEvents: the request, from the downstream codec.
  Arena& arena() override { return call_.arena; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  const http::HeaderMap* RefusalHeaders(Failure failure) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override;

  // It ends now, unanswered: its connection ends, or its memory is needed.
  void Abort(Failure why);
  // The rules have changed: an upgraded stream that they deny is reset.
  void Reauthorize(const config::HttpSpec& spec);
  // Bytes that this would free.
  size_t held_bytes() const;
  const Call& call() const { return call_; }

 private:
  // ForwardingEvents
  void OnAttemptReady() override { Advance(Phase::kForward); }
  void OnForwardingFailed(Failure failure) override;
  void OnBodySent() override;
  // ClockEvents
  void OnTime(Clock clock) override;

  void Advance(Phase phase);
  void Reply(const Answer& answer);
  void Finish();

  ExchangeOwner& owner_;
  Call call_;
  http::Stream* downstream_;
  RequestClocks clocks_;
  Messages messages_;
  Forwarding forwarding_;
  Phase phase_ = Phase::kReceiveHead;
  bool advancing_ = false;
};
static_assert(sizeof(Exchange) <= 1536);  // one for each request in progress

}  // namespace tulle::proxy
