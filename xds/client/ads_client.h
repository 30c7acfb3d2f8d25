#pragma once

#include <deque>
#include <memory>
#include <string>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "xds/client/delta_client.h"

namespace tulle::xds {

// An incremental ADS stream that is kept open for ever over a channel: connects, talks, and when
// the stream is lost opens another with what is held. Configuration received before stays in force
// meanwhile. Owner: the sidecar's main part. Thread: main. Source:
// envoy.service.discovery.v3.AggregatedDiscoveryService.
class AdsClient final : private grpc::ChannelEvents, private grpc::ClientCallEvents {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void OnAdsConnected() = 0;
    // `reason`: for a log; tried again by itself.
    virtual void OnAdsLost(const std::string& reason) = 0;
  };

  // `state` outlives this.
  AdsClient(loop::Loop& loop, grpc::Channel::Connect connect, const grpc::ChannelOptions& options,
            DeltaClient& state, Events& events);
  ~AdsClient() override;
  void Start() { channel_.Start(); }
  // Sends what DeltaClient has to say after a change of subscriptions.
  void Flush();
  // Another connection, say because the certificate changed.
  void Reconnect();
  bool connected() const { return call_ != nullptr; }

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;
  void OnMessage(std::string message) override;
  void OnFinished(const grpc::Status& status) override;
  void CloseCall();
  void Reopen();

  loop::Loop& loop_;
  DeltaClient& state_;
  Events& events_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::ClientCall> call_;
  std::deque<std::string> delayed_;
  std::unique_ptr<loop::Timer> delay_timer_;
  std::unique_ptr<loop::Timer> reopen_timer_;
  loop::Duration cap_;  // of the back-off between streams
};

}  // namespace tulle::xds
