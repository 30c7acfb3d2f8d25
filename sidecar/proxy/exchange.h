#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/arena.h"
#include "net/base/intrusive_list.h"
#include "net/base/pin.h"
#include "net/base/slab_allocated.h"
#include "net/http/stream.h"
#include "net/loop/deadlines.h"
#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/attempt.h"
#include "sidecar/proxy/decision_record.h"
#include "sidecar/proxy/policy_answer.h"
#include "sidecar/proxy/retries.h"
#include "sidecar/proxy/trace_record.h"
#include "sidecar/route/route_table.h"

namespace tulle::config {
struct HttpSpec;
struct TracingSpec;
}  // namespace tulle::config
namespace tulle::policy {
class FaultInjection;
}
namespace tulle::upstream {
class Cluster;
}

namespace tulle::proxy {

class DownstreamConnection;
class Mirror;
struct HttpChain;
struct Services;

// The life of a request, in order. A retry goes back to kPickEndpoint; every path ends in kLog.
enum class Phase : uint8_t {
  kReceiveHead,
  kIdentify,      // identify.cc: who calls; forwarded headers that a caller may not choose
  kRoute,         // routing.cc: path normalisation, route table
  kAuthorize,     // authorize.cc
  kLimit,         // limiting.cc: rate limits; a delay that somebody asked for
  kPrepare,       // routing.cc: header changes, redirect, direct response
  kAdmit,         // pick_endpoint.cc: the cluster and its caps
  kPickEndpoint,  // pick_endpoint.cc
  kConnect,       // pick_endpoint.cc: a stream of the endpoint's pool
  kForward,       // forwarding.cc: both bodies; retry.cc, timeouts.cc
  kLog,           // exchange.cc, access_log.cc
  kDone,
};

// What a phase answers. kPause: an event will call Advance() again. kRespond: failure_ says what to
// answer.
enum class Step : uint8_t { kContinue, kPause, kRespond };

// One request and its response: downstream's stream on one side, an attempt on the other.
// exchange.cc is the table of contents.
//
// Owner: DownstreamConnection, until Finish hands it to DeferDelete. Thread: the worker's.
class Exchange final : public http::StreamEvents,
                       public Deletable,
                       public SlabAllocated,
                       public ListNode<Exchange> {
 public:
  Exchange(DownstreamConnection& connection, http::Stream& downstream);
  ~Exchange() override;

  // The head has begun to come. For HTTP/1.1 its codec sees to it that it ends in time.
  void AwaitHead();
  // The request, from the downstream codec.
  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override;

  // The response, from the attempt.
  void OnAttemptStream();
  void OnResponseInterim(http::Head& head);
  void OnResponseHead(http::Head& head, bool end);
  void OnResponseData(Buffer& data, bool end);
  void OnResponseTrailers(http::HeaderMap& trailers);
  void OnAttemptFailed(Failure failure);
  void OnUpstreamRoom();

  // It ends now, unanswered: the connection goes away under it (worker's end), or its memory is
  // wanted.
  void Abort(Failure why);
  // The chain has a new version: an upgraded stream that its rules forbid is reset.
  void JudgeUpgraded(const config::HttpSpec& spec);
  // Bytes that this would free.
  size_t held_bytes() const;

  const DecisionRecord& record() const { return record_; }
  // What was or would have been sent downstream; null: nothing.
  const http::Head* response() const { return response_; }
  DownstreamConnection& connection() { return connection_; }
  const DownstreamConnection& connection() const { return connection_; }

 private:
  void Advance();
  Step Identify();
  Step MatchRoute();
  Step Authorize();
  Step Limit();
  Step Delay();
  Step FailOnPurpose();
  Step Prepare();
  Step Admit();
  Step PickEndpoint();
  Step Connect();
  Step Forward();

  Step Respond(Failure failure);
  void SendLocalReply();
  void Reply(int status, std::string_view body, std::string_view location);
  void Finish();
  void Log();

  // identify.cc
  void ForwardClientCertificate();
  bool TakeUnderscores(http::HeaderMap& headers);
  void StripPrivateHeaders();
  void EnsureRequestId();
  bool CountHop();
  void AddVia(http::HeaderMap& headers);
  // limiting.cc
  void TakeLimit(const policy::LocalRateLimit& limit,
                 const policy::LocalRateLimit::Verdict& verdict);
  Step RefuseByLimit(const policy::LocalRateLimit& limit,
                     const policy::LocalRateLimit::Verdict& verdict);
  policy::FaultInjection* Fault() const;
  bool EnterFault(policy::FaultInjection& fault);
  void LeaveFault();
  // tracing.cc
  void TakeTrace();
  telemetry::TracePoint BeginTrace(const config::TracingSpec& tracing);
  void StartTrace(telemetry::TracePoint& context, uint64_t parent);
  void StartAttemptTrace();
  void EndAttemptTrace(int status, Failure failure);
  void CountMeshTime(bool ours);
  // routing.cc
  void RewriteRequest();
  void RewriteResponse();
  std::string_view Decimal(uint64_t value);
  // pick_endpoint.cc
  std::string_view FreshCookie();
  // local_reply.cc
  int LocalStatus() const;
  void AddPolicyHeaders(http::HeaderMap& headers);
  // mirroring.cc
  void StartMirrors(bool end);
  void FeedMirrors(const Buffer& data, bool end);
  void EndMirrors();
  // forwarding.cc
  void RequestReceived();
  void PullRequest();
  void PullResponse();
  void SendRequestBody(Buffer& data, bool end);
  void EndRequest();
  bool EndIfNearlyOut();
  // upgrading.cc
  bool UpgradeRefused() const;
  void OpenBothWays();
  void OnBytes(Buffer& data, bool end);
  // retry.cc
  bool MayRetry(Failure failure);
  bool MayRetryStatus(const http::Head& head);
  void ScheduleRetry(bool with_back_off);
  void OnBackOffOver();
  // timeouts.cc
  void StartReceiveTimeout();
  void StartStreamTimeouts();
  std::optional<loop::Duration> CallerTimeout();
  loop::Duration AllowedDuration();
  std::optional<loop::Duration> TimeLeft();
  void TellTimeLeft();
  void StartRequestTimeout();
  void StartResponseTimeouts();
  void TouchIdle();
  void TouchAttempt();
  void ClearAttemptTimeouts();
  void OnRequestTimeout();
  void OnPerTryTimeout();
  void OnIdleTimeout();
  void OnDurationOver();
  template <void (Exchange::*kOnTime)()>
  static void Call(void* self) {
    (static_cast<Exchange*>(self)->*kOnTime)();
  }

  DownstreamConnection& connection_;
  Services& services_;
  const HttpChain& chain_;
  http::Stream* downstream_;
  Arena arena_;
  Phase phase_ = Phase::kReceiveHead;
  bool advancing_ = false;

  // The request.
  http::Head* request_ = nullptr;
  http::HeaderMap* request_trailers_ = nullptr;
  bool request_ended_ = false;  // received to its end
  bool request_sent_ = false;   // this attempt has been given all of it
  bool continue_sent_ = false;
  size_t request_credit_ = 0;
  Pin<route::RouteTable> table_;
  const route::Route* route_ = nullptr;
  const route::Route::Target* target_ = nullptr;

  // The response.
  http::Head* response_ = nullptr;
  bool response_started_ = false;  // something went downstream
  bool response_ended_ = false;
  size_t response_credit_ = 0;

  upstream::Cluster* cluster_ = nullptr;
  bool admitted_ = false;
  Retries retries_;
  std::optional<Attempt> attempt_;

  static constexpr int kMostMirrors = 2;
  Mirror* mirrors_[kMostMirrors] = {};  // each until it takes no more

  std::optional<loop::Duration> caller_timeout_;  // once read; 0: none

  loop::Deadline request_deadline_;  // until the request has ended: of its receipt
  loop::Deadline per_try_deadline_;
  loop::Deadline per_try_idle_deadline_;
  loop::Deadline idle_deadline_;
  loop::Deadline duration_deadline_;
  loop::Deadline back_off_;

  std::optional<LimitTold> limit_told_;
  PolicyAnswer policy_answer_;
  policy::FaultInjection* active_fault_ = nullptr;  // counted in it until the end

  char* traceparent_ = nullptr;    // what goes upstream, where we have written it
  RequestTrace* trace_ = nullptr;  // of a request that is sampled

  bool upgraded_ = false;                   // 101: bytes, both ways
  const http::Head* authorized_ = nullptr;  // of a request to upgrade: what was judged

  Failure failure_;
  DecisionRecord record_;
};

}  // namespace tulle::proxy
