#pragma once

#include <memory>

#include "net/base/buffer.h"
#include "net/http/stream.h"
#include "sidecar/proxy/stage_chain.h"
#include "sidecar/proxy/step.h"

namespace tulle::proxy {

class Retries;

class BodyFlowEvents {
 public:
  // The sink has been sent the end, after a pause: not from inside a call on the flow by its owner.
  virtual void OnBodySent() = 0;

 protected:
  ~BodyFlowEvents() = default;
};

// One direction of a body, used for the request and for the response: from a source that sends only
// what it has credit for, through the stages, to a sink that says how much room it has. Credit is
// given for the sink's room and for nothing else. Without stages no virtual call is made but those
// of the streams.
//
//   From (AddStage | To | Pull | Receive | Resume)* ReceiveTrailers? Close
//
// Stages are added before the first byte; the end of the message may have come before. They live as
// long as the flow, so that one of them may call Resume from a callback of its own.
//
// Owner: Messages. Thread: the worker's.
class BodyFlow {
 public:
  BodyFlow(BodyFlowEvents& events, Slab& slab) : events_(events), slab_(slab) {}
  BodyFlow(const BodyFlow&) = delete;
  BodyFlow& operator=(const BodyFlow&) = delete;

  // The last stage so far. Trailers that have come already pass it too; a message without body and
  // trailers passes no stage.
  void AddStage(std::unique_ptr<BodyStage> stage);
  // What has no sink yet is held there, and what was sent is kept for a retry up to `limit` bytes.
  // Null: no retry is possible any more.
  void KeepFor(Retries* retries, size_t limit);

  // Null: there is none at present. A new source has no credit.
  void From(http::Stream* source);
  // A body that is made here, in place of a stream's.
  void From(BodySource& source);
  // A new sink has been sent its head; with AllSent() that was everything.
  void To(http::Stream* sink);
  // What was kept for a retry, and all that has come since, goes to the new sink.
  void Replay();
  // Nothing has to follow the head.
  bool AllSent() const;
  // There is no body.
  void SetEmpty() {
    received_ = ended_ = true;
    sent_ = sink_ != nullptr;
  }
  // The message has ended, and bytes follow in its place, past no stage: after an upgrade.
  void Reopen();
  void Close();

  // The credit that the source could be given now.
  size_t Wanted() const {
    if (source_ == nullptr || sink_ == nullptr || received_) return 0;
    if (stages_ != nullptr && stages_->paused()) return 0;
    const size_t room = sink_->SendRoom();
    return room > credit_ ? room - credit_ : 0;
  }
  void Pull() {
    if (local_ != nullptr) return ReadLocal(0);
    const size_t more = Wanted();
    if (more == 0) return;
    credit_ += more;
    source_->Pull(more);
  }
  // From the source. Takes all of `data`.
  void Receive(Buffer& data, bool end);
  void ReceiveTrailers(http::HeaderMap& trailers);
  // For a stage: those that paused go on.
  void Resume();

  bool sent() const { return sent_; }  // to its end, to the present sink
  size_t held_bytes() const { return stages_ == nullptr ? 0 : stages_->held_bytes(); }

 private:
  void RunStages();
  void Deliver(Buffer& data, bool end);
  void ReadLocal(size_t least);

  BodyFlowEvents& events_;
  Slab& slab_;
  http::Stream* source_ = nullptr;
  BodySource* local_ = nullptr;  // in place of source_
  http::Stream* sink_ = nullptr;
  Retries* retries_ = nullptr;
  size_t keep_limit_ = 0;
  size_t credit_ = 0;
  http::HeaderMap* trailers_ = nullptr;
  std::unique_ptr<StageChain> stages_;  // null: none
  bool received_ = false;               // from the source, to its end
  bool ended_ = false;                  // behind the stages
  bool sent_ = false;
};

}  // namespace tulle::proxy
