#include "xds/client/ads_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::xds {
namespace {

constexpr char kDeltaAds[] =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::seconds(10);

}  // namespace

AdsClient::AdsClient(loop::Loop& loop, grpc::Channel::Connect connect,
                     const grpc::ChannelOptions& options, DeltaClient& state, Events& events)
    : loop_(loop),
      state_(state),
      events_(events),
      send_buffer_(options.http2.limits.send_buffer),
      channel_(loop, std::move(connect), options, static_cast<grpc::ChannelEvents&>(*this)),
      cap_(kFirstBackoff) {
  delay_timer_ = loop_.NewTimer([this] {
    while (call_ != nullptr && !delayed_.empty()) {
      call_->Send(delayed_.front());
      delayed_.pop_front();
    }
  });
  reopen_timer_ = loop_.NewTimer([this] {
    if (call_ != nullptr) return;
    if (channel_.exhausted()) return Reconnect();
    if (channel_.ready()) OpenStream();
  });
}

AdsClient::~AdsClient() = default;

void AdsClient::OnChannelReady() {
  OpenStream();
  for (grpc::ChannelEvents* user : other_users_) user->OnChannelReady();
}

void AdsClient::OpenStream() {
  reopen_timer_->Stop();
  call_ = channel_.NewCall(kDeltaAds, static_cast<grpc::ClientCallEvents&>(*this));
  state_.OnStreamOpened();
  events_.OnAdsConnected();
  Flush();
  call_->Read();
}

void AdsClient::Flush() {
  if (call_ == nullptr) return;
  for (DeltaClient::Outgoing& outgoing : state_.TakeOutgoing()) {
    if (outgoing.delay.count() == 0) {
      call_->Send(outgoing.bytes);
      continue;
    }
    delayed_.push_back(std::move(outgoing.bytes));
    if (!delay_timer_->active()) delay_timer_->Start(outgoing.delay);
  }
}

void AdsClient::OnMessage(std::string message) {
  if (!state_.OnMessage(message)) {
    CloseCall();
    events_.OnAdsLost(
        "the control plane sent an invalid discovery response; opening another stream", {});
    return Reopen();
  }
  cap_ = kFirstBackoff;
  Flush();
  call_->Read();
}

void AdsClient::OnFinished(const grpc::Status& status) {
  CloseCall();
  // The server has announced before that it ends the connection: it goes, or has others take its
  // share. They may be reached at once.
  if (channel_.exhausted()) return reopen_timer_->Start({});
  events_.OnAdsLost(absl::StrCat("the control plane ended the stream: ", status.message), {});
  Reopen();
}

// The connection may live on: then another stream is opened on it, not at once.
void AdsClient::Reopen() {
  const auto wait = loop_.random().Below(static_cast<uint64_t>(cap_.count()) + 1);
  reopen_timer_->Start(loop::Duration(static_cast<int64_t>(wait)));
  cap_ = std::min(cap_ * 2, kLastBackoff);
}

void AdsClient::OnChannelLost(Failure why) {
  CloseCall();
  for (grpc::ChannelEvents* user : other_users_) user->OnChannelLost(why);
  if (why.kind == FailureKind::kNone) return;  // by Reconnect()
  std::string cause(why.facts().cause);
  if (*why.detail != '\0') absl::StrAppend(&cause, ": ", why.detail);
  events_.OnAdsLost(absl::StrCat("no connection to the control plane (", cause, ")"), why);
}

void AdsClient::Reconnect() {
  CloseCall();
  channel_.Reconnect();
}

void AdsClient::CloseCall() {
  state_.OnStreamClosed();
  delayed_.clear();
  if (call_ == nullptr) return;
  call_->Cancel();
  loop_.DeferDelete(std::move(call_));
}

}  // namespace tulle::xds
