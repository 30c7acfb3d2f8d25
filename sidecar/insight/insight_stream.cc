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

InsightStream::InsightStream(loop::Loop& loop, xds::AdsClient& ads, Collect collect)
    : loop_(loop),
      collect_(std::move(collect)),
      channel_(ads.Share(static_cast<grpc::ChannelEvents&>(*this))),
      timer_(loop.NewTimer([this] { Report(); })),
      interval_(kFirstInterval),
      reported_(loop.Now()) {}

InsightStream::~InsightStream() { CloseCall(); }

void InsightStream::OnChannelReady() {
  CloseCall();
  if (!channel_.ready()) return;
  interval_ = kFirstInterval;
  deltas_.Begin(loop_.Now() - reported_ > kLongestReport);
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
  call_->Read();
}

void InsightStream::CloseCall() {
  timer_->Stop();
  if (call_ == nullptr) return;
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
  if (call_->SendRoom() < kRoomForReport) return;
  insight::v1::FromSidecar message;
  if (!deltas_.AddTo(collect_(), *message.mutable_traffic())) {
    reported_ = loop_.Now();
    return;
  }
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      loop_.Now() - std::exchange(reported_, loop_.Now()));
  message.mutable_traffic()->set_milliseconds(static_cast<uint32_t>(since.count()));
  call_->Send(message.SerializeAsString());
}

}  // namespace tulle::sidecar
