// The control plane's state in one place: store, policies, certificate authority, registry, and the
// mesh that they make together. Knows no protocol: services and servers call it, the xDS server is
// told of each new mesh version.
//
// Owner: main. Thread: the loop's; the store is called inline (a commit takes milliseconds and is
// rare). Order: Open, then SetVersionObserver, then services.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/api/api.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/discovery/vip_book.h"
#include "control-plane/insight/trace_ring.h"
#include "control-plane/registry/lease_record.h"
#include "control-plane/registry/registry.h"
#include "control-plane/snapshot/snapshot.h"
#include "control-plane/store/store.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "telemetry/log.h"

namespace tulle::server {

// Who calls, as proved by its SVID or its join token.
struct Caller {
  certs::SpiffeId id;
  std::vector<std::string> services;  // NAMESPACE/NAME; what it may register
  ca::MeshAuthority::Asker asker = {};
};

struct ControlPlaneOptions {
  std::string data_dir;          // empty: nothing is kept, and nobody may call the API
  bool store_in_memory = false;  // for simulations, which do not wait for disks
  ca::MeshAuthority::Options authority;
  registry::Registry::Options registry;
  std::string access_log_file;  // see discovery::Mesh
  std::string version = "dev";
  bool reset_admin = false;  // a new credential for the admin, at this start
  // Start also where a policy that restricts cannot be read, and do without it.
  bool ignore_unreadable_policies = false;
};

class ControlPlane : public api::ControlPlaneView {
 public:
  static absl::StatusOr<std::unique_ptr<ControlPlane>> Open(const ControlPlaneOptions& options,
                                                            loop::Loop& loop,
                                                            certs::KeySource& keys,
                                                            telemetry::Log& log);
  ~ControlPlane() override;

  // kUnauthenticated without a valid proof. `authorization` is the header's value, it may be empty.
  absl::StatusOr<Caller> Authenticate(const Transport& transport, std::string_view authorization);

  absl::StatusOr<ca::IssuedSvid> IssueSvid(const Caller& caller, std::string_view csr_pem,
                                           std::optional<int64_t> lifetime_seconds);
  ca::MeshAuthority& authority() { return *authority_; }
  insight::TraceRing& traces() { return traces_; }

  absl::StatusOr<registry::Lease> Register(discovery::Workload workload,
                                           std::optional<registry::milliseconds> ttl);
  absl::StatusOr<registry::milliseconds> Heartbeat(std::string_view lease, std::string_view caller,
                                                   bool is_ready);
  absl::Status Deregister(std::string_view lease, std::string_view caller);

  api::ApiResponse HandleApi(const api::ApiRequest& request);

  // After each change: the first at once, the rest of a burst 50 ms later. Called with the new
  // version's factory.
  using VersionObserver = std::function<void(snapshot::SnapshotFactory&)>;
  void SetVersionObserver(VersionObserver observer) { observer_ = std::move(observer); }
  // What the xDS server knows of its proxies, for the API. Without it there are none.
  void SetProxySource(std::function<std::vector<api::ProxyStatus>()> source) {
    proxies_ = std::move(source);
  }
  // Called when the trust bundle or the signing root has changed: acceptors must be made anew.
  void SetRootsObserver(std::function<void()> observer) { roots_observer_ = std::move(observer); }
  snapshot::SnapshotFactory& factory() { return *factory_; }
  int64_t version_count() const { return version_count_; }

  snapshot::Snapshot BuildFor(const snapshot::NodeView& node) const {
    return factory_->Build(node);
  }

  // ControlPlaneView.
  std::vector<api::ProxyStatus> Proxies() const override;
  const discovery::Mesh& CurrentMesh() const override { return factory_->mesh(); }
  snapshot::Snapshot SnapshotOf(const std::string& proxy) const override;
  size_t HeldLeases() const override { return registry_.held(); }
  uint16_t GrpcPort() const override { return grpc_port_; }
  // Where the frontend serves sidecars, once it does.
  void SetGrpcPort(uint16_t port) { grpc_port_ = port; }

  int64_t Now() const;  // seconds since the epoch
  telemetry::Log& log() { return log_; }

 private:
  ControlPlane(const ControlPlaneOptions& options, loop::Loop& loop, certs::KeySource& keys,
               telemetry::Log& log);

  absl::Status Load();
  absl::Status JudgeUnreadable();
  registry::milliseconds MonotonicNow() const;
  void LogChange(const registry::Change& change);
  void SaveRegistry();
  void WatchClock();
  void Tick();
  void OnChange();
  void Rebuild();
  // Services that are new get their virtual addresses. False: some could not be given one.
  bool AssignVips(discovery::Mesh* mesh);

  ControlPlaneOptions options_;
  loop::Loop& loop_;
  certs::KeySource& keys_;
  telemetry::Log& log_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<discovery::PolicyBook> policies_;
  std::unique_ptr<discovery::VipBook> vips_;
  std::unique_ptr<ca::MeshAuthority> authority_;
  ca::JoinTokens tokens_{nullptr, nullptr};
  api::Credentials credentials_{nullptr, nullptr};
  registry::Registry registry_;
  registry::UnsavedLeases unsaved_;
  insight::TraceRing traces_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<snapshot::SnapshotFactory> factory_;
  VersionObserver observer_;
  std::function<std::vector<api::ProxyStatus>()> proxies_;
  std::function<void()> roots_observer_;
  std::string roots_seen_;
  std::unique_ptr<loop::Timer> tick_;
  std::unique_ptr<loop::Timer> coalesce_;
  bool is_dirty_ = false;
  bool lacks_vips_ = false;  // tried again now and then
  int64_t version_count_ = 0;
  int64_t cleaned_at_ = 0;
  int64_t clock_ahead_ = 0;  // of the monotonic one, in seconds
  std::chrono::milliseconds clock_trusted_from_{0};
  uint16_t grpc_port_ = 0;
};

}  // namespace tulle::server
