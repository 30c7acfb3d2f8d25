#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "xds/client/delta_client.h"

namespace tulle::xds {

// An incremental ADS stream that is kept open over a channel: connects, and reopens a lost stream
// with the versions that are held. Configuration that was received before stays in force meanwhile.
// Owner: the sidecar's main part. Thread: main. Source:
// envoy.service.discovery.v3.AggregatedDiscoveryService.
class AdsClient final : private grpc::ChannelEvents, private grpc::ClientCallEvents {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void OnAdsConnected() = 0;
    // `reason`: for a log. The client reconnects by itself.
    virtual void OnAdsLost(const std::string& reason, Failure why) = 0;
  };

  // `state` outlives this.
  AdsClient(loop::Loop& loop, grpc::Channel::Connect connect, const grpc::ChannelOptions& options,
            DeltaClient& state, Events& events);
  ~AdsClient() override;
  void Start() { channel_.Start(); }
  // Sends what DeltaClient has to say after a change of subscriptions.
  void Flush();
  // Replaces the connection, for example because the certificate changed.
  void Reconnect();
  bool connected() const { return call_ != nullptr; }
  // Something that it has sent has not left yet: other calls on the connection would delay it.
  bool has_unsent() const { return call_ != nullptr && call_->SendRoom() < send_buffer_; }
  // The connection, for other calls to the same server; `user` is notified after this client.
  // Before Start(). Destroy `user` and its calls before this.
  grpc::Channel& Share(grpc::ChannelEvents& user) {
    other_users_.push_back(&user);
    return channel_;
  }

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;
  void OpenStream();
  void OnMessage(std::string message) override;
  void OnFinished(const grpc::Status& status) override;
  void CloseCall();
  void Reopen();

  loop::Loop& loop_;
  DeltaClient& state_;
  Events& events_;
  std::vector<grpc::ChannelEvents*> other_users_;
  const size_t send_buffer_;  // of each call
  grpc::Channel channel_;
  std::unique_ptr<grpc::ClientCall> call_;
  std::deque<std::string> delayed_;
  std::unique_ptr<loop::Timer> delay_timer_;
  std::unique_ptr<loop::Timer> reopen_timer_;
  loop::Duration cap_;  // of the back-off between streams
};

}  // namespace tulle::xds
