#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/workload_labels.h"
#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "sidecar/membership/breaker_report.h"
#include "telemetry/metrics.h"
#include "xds/client/ads_client.h"

namespace tulle::sidecar {

// The workload of this sidecar, as the command line describes it.
struct Workload {
  std::string name;  // of the instance in `tullectl status`; a suffix is added
  std::string service;
  std::string address;
  // In Kubernetes: the id of this instance. The control plane knows the pod from the cluster's API,
  // so that it does not register.
  std::string pod_uid;
  std::string node_name;             // of the pod's node, whose labels tell its locality
  std::vector<std::string> inbound;  // [DIALLED@]LISTEN:APPLICATION[:SERVICE]/PROTOCOL
  uint16_t outbound_http = 0;
  std::vector<std::string> outbound_tcp;  // SERVICE:PORT=LISTEN
  // Its traffic is redirected to this sidecar, instead of explicit listeners.
  bool transparent = false;
  std::vector<std::string> ports;  // APPLICATION[:SERVICE][/PROTOCOL]; transparent only
  uint16_t outbound_capture = 15001;
  uint16_t inbound_capture = 15006;
  bool has_ipv6 = false;               // of this machine
  std::vector<uint16_t> opaque_ports;  // of the application: proxied as TCP
  std::vector<uint16_t> skip_ports;    // of the application: peers connect in plaintext
  std::string locality;                // REGION[/ZONE[/SUBZONE]]
  uint16_t metrics_port = 0;           // for Prometheus; 0: none
  // As a pod's: of its own metrics, not registered.
  certs::WorkloadLabels labels;

  bool has_listeners() const {
    return transparent || !inbound.empty() || outbound_http != 0 || !outbound_tcp.empty();
  }
  bool registers() const { return has_listeners() && pod_uid.empty(); }
};

// The RegisterRequest of a workload, serialised. An error names the option and the expected format.
absl::StatusOr<std::string> MakeRegistration(const Workload& workload,
                                             const std::string& instance_id);

// Keeps this workload in the control plane's registry: registers, and renews the lease after a
// third of its time. A lease that the registry does not know any more is replaced by a new one.
//
// Uses the connection of the ADS stream: a second one would cost the control plane another
// handshake and as much memory again. Owner: Membership. Thread: main.
class Registration final : private grpc::ChannelEvents {
 public:
  using OnError = std::function<void(const std::string& error)>;
  // `request` from MakeRegistration. `ads` has not been started yet, and outlives this.
  Registration(loop::Loop& loop, xds::AdsClient& ads, std::string request, OnError on_error);
  ~Registration() override;
  bool registered() const { return !lease_.empty(); }
  bool leaving() const { return leaving_; }
  // Why the last registration was refused; empty: it was not.
  const std::string& error() const { return error_; }
  // 1 while registered; outlives this.
  void ShowIn(telemetry::Gauge& registered);
  // The workload's listeners accept: from now on it gets traffic. Once.
  void SetReady();
  // What the workload cannot do, for `tullectl status` and `check`; told at once if it has changed.
  void SetProblems(std::vector<std::string> problems);
  // Each heartbeat tells which circuit breakers are open. Before the channel is ready; outlives
  // this.
  void ReportBreakers(BreakerReport& report) { breakers_ = &report; }
  // Before the process ends: traffic goes elsewhere first. `done` runs in any case.
  void Deregister(std::function<void()> done);

 private:
  void OnChannelReady() override;
  void OnChannelLost(Failure why) override;
  void Renew();
  void SetLease(std::string lease);
  void Register();
  void Heartbeat();
  loop::Duration RetryDelay();
  // The registry may ask for fewer heartbeats at any time.
  void TakeTtl(int64_t seconds);

  loop::Loop& loop_;
  xds::AdsClient& ads_;
  const std::string request_;  // serialised
  OnError on_error_;
  grpc::Channel& channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
  std::unique_ptr<loop::Timer> timer_;
  std::function<void()> on_deregistered_;  // while that call runs
  std::string lease_;
  loop::Duration ttl_ = std::chrono::seconds(15);
  std::string error_;
  telemetry::Gauge* registered_ = nullptr;
  BreakerReport* breakers_ = nullptr;
  // What each heartbeat tells.
  struct State {
    bool ready = false;
    std::vector<std::string> problems;
    bool operator==(const State&) const = default;
  };
  State state_;
  bool leaving_ = false;
};

}  // namespace tulle::sidecar
