#include "sidecar/insight/insight_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {
namespace {

constexpr char kConnect[] = "/tulle.insight.v1.Insight/Connect";
constexpr loop::Duration kFirstInterval = std::chrono::seconds(5);
constexpr uint32_t kShortestSeconds = 1;
constexpr uint32_t kLongestSeconds = 3600;

}  // namespace

InsightStream::InsightStream(loop::Loop& loop, xds::AdsClient& ads, Parts parts)
    : loop_(loop),
      parts_(std::move(parts)),
      ads_(ads),
      channel_(ads.Share(static_cast<grpc::ChannelEvents&>(*this))),
      timer_(loop.NewTimer([this] { Report(); })),
      waiting_timer_(loop.NewTimer([this] { SendWaiting(); })),
      interval_(kFirstInterval),
      reported_(loop.Now()) {}

InsightStream::~InsightStream() { CloseCall(); }

void InsightStream::OnChannelReady() { Open(loop_.Now() - reported_ > kLongestReport); }

void InsightStream::Open(bool skip) {
  CloseCall();
  if (!channel_.ready()) return;
  interval_ = kFirstInterval;
  deltas_.Begin(skip);
  call_ = channel_.NewCall(kConnect, static_cast<grpc::ClientCallEvents&>(*this));
  call_->Read();
  timer_->Start(Pause());
}

void InsightStream::OnChannelLost(Failure) { CloseCall(); }

void InsightStream::OnFinished(const grpc::Status&) { CloseCall(); }

void InsightStream::OnMessage(std::string message) {
  insight::v1::ToSidecar instruction;
  if (!instruction.ParseFromString(message)) return CloseCall();
  if (instruction.report_seconds() != 0) {
    interval_ = std::chrono::seconds(
        std::clamp(instruction.report_seconds(), kShortestSeconds, kLongestSeconds));
    timer_->Start(Pause());
  }
  if (parts_.questions != nullptr) {
    if (instruction.end_tap() != 0) parts_.questions->OnEnd(instruction.end_tap());
    if (instruction.has_question())
      parts_.questions->OnQuestion(instruction.question(), static_cast<Replies&>(*this));
  }
  call_->Read();
}

bool InsightStream::MaySend() const {
  return call_ != nullptr && !ads_.has_unsent() && call_->SendRoom() >= kRoomForMessage;
}

bool InsightStream::HasRoom() const { return waiting_.empty() && MaySend(); }

void InsightStream::Send(insight::v1::Answer answer) {
  if (call_ == nullptr) return;
  insight::v1::FromSidecar message;
  *message.mutable_answer() = std::move(answer);
  if (waiting_.size() < kMostWaiting) {
    waiting_.push_back(message.SerializeAsString());
  } else if (parts_.dropped != nullptr) {
    parts_.dropped->Add();
  }
  SendWaiting();
}

void InsightStream::SendWaiting() {
  while (!waiting_.empty() && MaySend()) {
    call_->Send(waiting_.front());
    waiting_.pop_front();
  }
  if (!waiting_.empty() && !waiting_timer_->active()) waiting_timer_->Start(kTryAgain);
}

void InsightStream::CloseCall() {
  timer_->Stop();
  waiting_timer_->Stop();
  waiting_.clear();
  if (call_ == nullptr) return;
  if (parts_.questions != nullptr) parts_.questions->OnStreamEnd();
  call_->Cancel();
  loop_.DeferDelete(std::move(call_));
}

// Sidecars that connect at the same time do not report at the same time.
loop::Duration InsightStream::Pause() {
  const auto most = static_cast<uint64_t>(interval_.count());
  return loop::Duration(static_cast<int64_t>(most * 9 / 10 + loop_.random().Below(most / 5)));
}

void InsightStream::Report() {
  timer_->Start(Pause());
  SendWaiting();
  if (!HasRoom()) return;
  if (deltas_.full()) return Open(false);
  insight::v1::FromSidecar message;
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      loop_.Now() - std::exchange(reported_, loop_.Now()));
  if (deltas_.AddTo(parts_.collect(), *message.mutable_traffic())) {
    message.mutable_traffic()->set_milliseconds(static_cast<uint32_t>(since.count()));
  } else {
    message.clear_traffic();
  }
  const bool has_failed = parts_.failed != nullptr && parts_.failed->AddTo(message);
  if (message.has_traffic() || has_failed) call_->Send(message.SerializeAsString());
}

}  // namespace tulle::sidecar
