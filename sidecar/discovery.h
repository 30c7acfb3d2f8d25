#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "net/grpc/channel.h"
#include "sidecar/sidecar.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "xds/client/ads_client.h"

namespace tulle::sidecar {

// Configuration from a control plane: asks by ADS for what the loader names, hands over what comes,
// publishes, and keeps the last good configuration on disk. Owner: main(). Thread: main.
class Discovery final : private xds::UpdateTarget, private xds::AdsClient::Events {
 public:
  struct Options {
    std::string node;  // serialised envoy.config.core.v3.Node
    std::string authority;
    std::string scheme = "https";
    bool all_listeners = true;
    bool all_clusters = true;
    // Instead of all: those that listeners and routes refer to. Memory follows use, not the mesh.
    bool clusters_by_name = false;
    std::set<std::string> local_secrets;  // never asked for
    std::string last_good_file;           // empty: none is kept
  };

  Discovery(loop::Loop& loop, Sidecar& sidecar, grpc::Channel::Connect connect, Options options,
            telemetry::Log& log, telemetry::Registry& metrics);
  ~Discovery() override;

  // Puts the last good configuration into the loader; false: there is none, or it cannot be read.
  // Before Start.
  bool LoadLastGood();
  void Start();
  void Reconnect() { ads_.Reconnect(); }
  // For other calls to the same control plane.
  xds::AdsClient& ads() { return ads_; }
  bool connected() const { return ads_.connected(); }
  // These listeners too, beside all that are pushed; in place of those named before.
  void SubscribeToListeners(const std::set<std::string>& names);
  // A listener is not, or no longer, there.
  std::function<void(const std::string& name)> on_missing_listener;
  // The content of a secret that came by ADS, told at each change.
  std::function<void(const std::string& name, const std::string& bytes)> on_secret;

 private:
  std::vector<xds::Rejection> OnUpdate(const xds::Update& update) override;
  void OnAdsConnected() override;
  void OnAdsLost(const std::string& reason) override;
  void Publish();
  void SubscribeToWhatIsNamed();
  void SaveLastGood();
  void CountUpdate(const std::string& type_url, bool accepted);

  loop::Loop& loop_;
  Sidecar& sidecar_;
  const Options options_;
  telemetry::Log& log_;
  telemetry::Registry& metrics_;
  xds::DeltaClient state_;
  xds::AdsClient ads_;
  std::unique_ptr<loop::Timer> save_timer_;
};

}  // namespace tulle::sidecar
