#include "sidecar/proxy/body_flow.h"

#include <algorithm>
#include <utility>

#include "sidecar/proxy/retries.h"

namespace tulle::proxy {
namespace {

// The first piece of a body that is made here does not wait for room: a short text is sent at once.
constexpr size_t kFirstPiece = 16 * 1024;

}  // namespace

void BodyFlow::AddStage(std::unique_ptr<BodyStage> stage) {
  if (stages_ == nullptr) stages_ = std::make_unique<StageChain>();
  stages_->Add(std::move(stage), slab_);
  if (trailers_ != nullptr) ended_ = false;
}

void BodyFlow::KeepFor(Retries* retries, size_t limit) {
  retries_ = retries;
  keep_limit_ = limit;
}

void BodyFlow::From(http::Stream* source) {
  source_ = source;
  credit_ = 0;
}

void BodyFlow::From(BodySource& source) {
  source_ = nullptr;
  local_ = &source;
  ReadLocal(kFirstPiece);
}

bool BodyFlow::AllSent() const {
  return ended_ && trailers_ == nullptr && (retries_ == nullptr || retries_->body().empty());
}

void BodyFlow::To(http::Stream* sink) {
  sent_ = sink != nullptr && AllSent();
  sink_ = sink;
}

void BodyFlow::Replay() {
  if (sent_) return;
  if (!retries_->body().empty()) {
    Buffer again(slab_);
    again.AppendShared(retries_->body());
    sent_ = ended_ && trailers_ == nullptr;
    sink_->SendData(again, sent_);
  }
  if (received_ && !ended_) return RunStages();
  if (!ended_ || trailers_ == nullptr) return;
  sink_->SendTrailers(*trailers_);
  sent_ = true;
}

void BodyFlow::Reopen() {
  received_ = ended_ = sent_ = false;
  trailers_ = nullptr;
  stages_.reset();
}

void BodyFlow::Close() {
  source_ = sink_ = nullptr;
  local_ = nullptr;
}

void BodyFlow::Receive(Buffer& data, bool end) {
  credit_ -= std::min(credit_, data.size());
  received_ = end;
  if (stages_ != nullptr) end = stages_->Run(data, end, trailers_);
  Deliver(data, end);
}

void BodyFlow::ReceiveTrailers(http::HeaderMap& trailers) {
  trailers_ = &trailers;
  Buffer nothing(slab_);
  Receive(nothing, true);
}

void BodyFlow::Resume() {
  const bool closed = source_ == nullptr && sink_ == nullptr;
  if (stages_ == nullptr || sent_ || closed) return;
  stages_->Resume();
  RunStages();
  Pull();
  if (sent_) events_.OnBodySent();
}

// Passes on what the stages hold and may be passed on now.
void BodyFlow::RunStages() {
  Buffer data(slab_);
  const bool end = stages_->Run(data, received_, trailers_);
  Deliver(data, end);
}

void BodyFlow::ReadLocal(size_t least) {
  size_t room = std::max(sink_->SendRoom(), least);
  while (local_ != nullptr && room > 0 && (stages_ == nullptr || !stages_->paused())) {
    Buffer data(slab_);
    const bool end = local_->Read(data, room);
    if (end) local_ = nullptr;
    Receive(data, end);
    room = sink_->SendRoom();
  }
}

void BodyFlow::Deliver(Buffer& data, bool end) {
  if (sent_) return data.Clear();
  ended_ = end;
  if (sink_ == nullptr) return retries_ == nullptr ? data.Clear() : retries_->Hold(data);
  const bool last = end && trailers_ == nullptr;
  if (last || !data.empty()) {
    if (retries_ != nullptr && !data.empty()) retries_->Keep(data, keep_limit_);
    sink_->SendData(data, last);
  }
  if (end && !last) sink_->SendTrailers(*trailers_);
  sent_ = end;
}

}  // namespace tulle::proxy
