#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "certs/private_key.h"
#include "net/base/socket_address.h"
#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/identity/identity_agent.h"
#include "sidecar/insight/insight_stream.h"
#include "sidecar/membership/registration.h"
#include "tests/scale/imitated_traffic.h"
#include "tests/scale/named_resources.h"
#include "tests/scale/witness.h"
#include "xds/client/ads_client.h"

namespace tulle::scale {

// For a connection to tulle-control.
grpc::ChannelOptions ControlChannelOptions();

// One imitated sidecar's part in the mesh.
struct SidecarPlan {
  int number = 0;
  std::string service;
  std::string address;          // that it registers
  SocketAddress control;        // tulle-control's gRPC port
  std::string token_file;       // of its service's account
  std::string state_directory;  // its own
  // In Kubernetes, whose API knows the pod: its uid, and the roots for first contact. Empty: it
  // registers.
  std::string pod_uid;
  std::string roots_file;
  // Subscribe to all clusters, as sidecars did before they asked for them by name.
  bool all_clusters = false;
  // That it sends to its peers together, and receives from them; 0: it tells nothing of its
  // traffic.
  double requests_per_second = 0;
  std::vector<std::string> peers;  // services
};

// The host name of a service.
std::string HostOf(const std::string& service);

// A transparent sidecar as the control plane sees it: joins with a token and a CSR, registers and
// sends heartbeats, holds a delta ADS stream over mTLS, acknowledges what comes, and subscribes to
// what listeners, routes and clusters refer to.
//
// Product code: identity agent, registration, ADS client, TLS, HTTP/2. Different from a real one:
// all sidecars of a thread share one key; resources are not loaded, only searched for names;
// nothing is kept on disk but the identity, and nothing of it comes back at a restart; no spans are
// exported; traffic is replaced by Use(), and its metrics by ImitatedTraffic, which the product's
// insight stream reports; no failed requests are listed, and no questions answered.
//
// Owner: Crew. Thread: the crew's.
class ImitatedSidecar final : private identity::IdentityAgent::Events,
                              private xds::UpdateTarget,
                              private xds::AdsClient::Events {
 public:
  ImitatedSidecar(loop::Loop& loop, certs::KeySource& keys, NamedResourcesCache& names,
                  SidecarPlan plan, Witness& witness);
  ~ImitatedSidecar() override;

  void Start() { agent_.Start(); }
  // The application connects to these: listeners of virtual addresses, "VIP_PORT". Its traffic
  // begins.
  void Use(std::set<std::string> listeners);

 private:
  void OnIdentity(const std::shared_ptr<const identity::Identity>& identity) override;
  void OnIdentityError(const std::string& error) override { witness_.OnError(error); }
  std::vector<xds::Rejection> OnUpdate(const xds::Update& update) override;
  void OnAdsConnected() override { answered_ = false; }
  void OnAdsLost(const std::string& reason, Failure why) override;
  void Subscribe();
  std::vector<telemetry::FamilySamples> Collect() const;
  void TellServed();

  using Held = std::map<std::string, std::shared_ptr<const NamedResources>>;  // by name

  const loop::Loop& loop_;
  const SidecarPlan plan_;
  NamedResourcesCache& names_;
  Witness& witness_;
  std::shared_ptr<const identity::Identity> identity_;
  identity::IdentityAgent agent_;
  xds::DeltaClient state_;
  xds::AdsClient ads_;
  std::optional<sidecar::InsightStream> insight_;  // empty: no traffic
  std::optional<ImitatedTraffic> traffic_;         // empty: not yet
  loop::Instant traffic_began_{};
  std::optional<sidecar::Registration> registration_;  // empty: a pod
  std::unique_ptr<loop::Timer> ready_timer_;
  std::map<std::string, Held, std::less<>> held_;  // by type URL
  std::set<std::string> used_;
  bool answered_ = false;  // on this stream
  bool served_ = false;
};

}  // namespace tulle::scale
