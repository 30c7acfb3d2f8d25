#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "net/grpc/channel.h"
#include "sidecar/dataplane/sidecar.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "xds/client/ads_client.h"

namespace tulle::sidecar {

// Configuration from a control plane by ADS: subscribes to the resources that the loader refers to,
// hands what arrives to the loader, publishes, and keeps the last good configuration on disk.
// Owner: Membership or FileConfiguration. Thread: main.
class Discovery final : private xds::UpdateTarget, private xds::AdsClient::Events {
 public:
  enum class Clusters : uint8_t {
    kNone,  // static ones only
    kAll,
    // Those that listeners and routes refer to. A sidecar whose listeners and routes name every
    // service of the mesh (--outbound-http) holds all of them.
    kByName,
  };
  struct Options {
    std::string node;  // serialised envoy.config.core.v3.Node
    std::string authority;
    std::string scheme = "https";
    bool all_listeners = true;
    Clusters clusters = Clusters::kAll;
    std::set<std::string> own_secrets;    // always subscribed to
    std::set<std::string> local_secrets;  // never subscribed to
    std::string last_good_file;           // empty: not kept
  };

  Discovery(loop::Loop& loop, Sidecar& sidecar, grpc::Channel::Connect connect, Options options,
            telemetry::Log& log, telemetry::Registry& metrics);
  ~Discovery() override;

  // Puts the last good configuration into the loader; false: not found, or invalid. Before Start.
  bool LoadLastGood();
  void Start();
  void Reconnect() { ads_.Reconnect(); }
  // For other calls to the same control plane.
  xds::AdsClient& ads() { return ads_; }
  bool connected() const { return ads_.connected(); }
  // Subscribes to these listeners by name, beside the wildcard; replaces the former names.
  void SubscribeToListeners(const std::set<std::string>& names);
  // A listener does not exist, or was removed.
  std::function<void(const std::string& name)> on_missing_listener;
  // A secret was received by ADS, or changed.
  std::function<void(const std::string& name, const std::string& bytes)> on_secret;
  // The control plane rejects this sidecar's certificate.
  std::function<void()> on_certificate_rejected;

 private:
  std::vector<xds::Rejection> OnUpdate(const xds::Update& update) override;
  void OnAdsConnected() override;
  void OnAdsLost(const std::string& reason, Failure why) override;
  void PublishReferences(std::string_view source = "");
  void SubscribeToReferences();
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
