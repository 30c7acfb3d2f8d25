#pragma once

#include <optional>

#include "sidecar/proxy/attempt.h"
#include "sidecar/proxy/clocks.h"
#include "sidecar/proxy/messages.h"
#include "sidecar/proxy/step.h"

namespace tulle::proxy {

class ForwardingEvents : public BodyFlowEvents {
 public:
  // The attempt has its stream: Send follows.
  virtual void OnAttemptReady() = 0;
  // No further attempt is made.
  virtual void OnForwardingFailed(Failure failure) = 0;

 protected:
  ~ForwardingEvents() = default;
};

// A request's attempts, one after the other, until one is answered.
//
//   (PickEndpoint Connect OnAttemptReady? Send)+ ... OnBodySent, or OnForwardingFailed
//
// and End at any moment. Owner: Exchange. Thread: the worker's.
class Forwarding final : private AttemptEvents {
 public:
  Forwarding(Call& call, RequestClocks& clocks, Messages& messages, ForwardingEvents& events);

  // Phase: a stream of the endpoint that was picked, now or later.
  Step Connect();
  // Phase: the request goes to that stream.
  Step Send();

  // The attempt was not answered in time.
  void OnTryTimeout();
  // Nothing passed for too long: that counts against an endpoint which was waited for.
  void OnIdleTimeout();
  // Lets go of the attempt's stream, complete or not; Release of its endpoint, after the log.
  void End();
  void Release() { attempt_.reset(); }
  Arena& arena() override { return call_.arena; }

 private:
  void OnStream() override { events_.OnAttemptReady(); }
  void OnInterim(http::Head& head) override { messages_.SendInterim(head); }
  void OnHead(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnFailed(Failure failure) override;
  void OnRoom() override { messages_.PullRequest(); }
  void OnBreakerOpened() override;

  void RecordUpstream();
  bool MayGoElsewhere(http::Head& head);
  void Retry(bool with_back_off);

  Call& call_;
  RequestClocks& clocks_;
  Messages& messages_;
  ForwardingEvents& events_;
  std::optional<Attempt> attempt_;
};

}  // namespace tulle::proxy
