#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "sidecar/insight/failed_requests.h"
#include "sidecar/insight/questions.h"
#include "sidecar/insight/traffic_deltas.h"
#include "telemetry/metrics.h"
#include "xds/client/ads_client.h"

namespace tulle::sidecar {

// Tells the control plane what this sidecar sees of its traffic, and answers its questions, while
// there is a connection: tulle.insight.v1.Insight. Uses the connection of the ADS stream, and sends
// only what the connection can take at once, and nothing while the ADS stream has something to
// send: discovery comes first. What was not reported is part of a later report; answers wait a
// little, and are dropped and counted if there are too many. A control plane that does not know the
// service is not asked again on that connection.
//
// Owner: Membership. Thread: main. Source: tulle/insight/v1/insight.proto.
class InsightStream final : private grpc::ChannelEvents,
                            private grpc::ClientCallEvents,
                            private Replies {
 public:
  using Collect = std::function<std::vector<telemetry::FamilySamples>()>;

  // What it tells; pointers outlive the stream, and may be null.
  struct Parts {
    Collect collect = {};  // returns TrafficFamilies()
    FailedRequests* failed = nullptr;
    Questions* questions = nullptr;
    telemetry::Counter* dropped = nullptr;  // answers
  };

  // `ads` has not been started yet, and outlives this.
  InsightStream(loop::Loop& loop, xds::AdsClient& ads, Parts parts);
  ~InsightStream() override;

  bool connected() const { return call_ != nullptr; }

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;
  void OnMessage(std::string message) override;
  void OnSendRoom() override { SendWaiting(); }
  // The connection can take a message now.
  bool MaySend() const;
  void OnFinished(const grpc::Status& status) override;
  void Send(insight::v1::Answer answer) override;
  bool HasRoom() const override;
  void Open(bool skip);
  void CloseCall();
  void SendWaiting();
  void Report();
  loop::Duration Pause();

  // A report of a longer time would show as a peak.
  static constexpr loop::Duration kLongestReport = std::chrono::minutes(1);
  // Less: much of what was sent has not left yet.
  static constexpr size_t kRoomForMessage = 128 * 1024;
  // Answers that wait for room; more are dropped.
  static constexpr size_t kMostWaiting = 8;
  // They try again so often: whoever asked waits for two seconds.
  static constexpr loop::Duration kTryAgain = std::chrono::milliseconds(100);

  loop::Loop& loop_;
  const Parts parts_;
  const xds::AdsClient& ads_;
  grpc::Channel& channel_;
  TrafficDeltas deltas_;
  std::unique_ptr<grpc::ClientCall> call_;
  std::unique_ptr<loop::Timer> timer_;
  std::unique_ptr<loop::Timer> waiting_timer_;
  loop::Duration interval_;
  loop::Instant reported_;  // the last time
  std::deque<std::string> waiting_;
};

}  // namespace tulle::sidecar
