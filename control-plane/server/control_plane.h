// The control plane's state in one place: store, policies, certificate authority, and the mesh that
// its sources make. Knows no protocol: services and servers call its parts, the xDS server observes
// the mesh builder.
//
// Owner: main. Thread: the loop's; the store is called inline (a commit takes milliseconds).
// Order: Open, then observers, then services.
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
#include "control-plane/insight/trace_ring.h"
#include "control-plane/server/admission.h"
#include "control-plane/server/books.h"
#include "control-plane/server/housekeeping.h"
#include "control-plane/server/mesh_builder.h"
#include "control-plane/server/registry_source.h"
#include "control-plane/snapshot/snapshot.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

struct ControlPlaneOptions : BookOptions {
  registry::Registry::Options registry;
  std::string access_log_file;  // see discovery::Mesh
  std::string version = "dev";
};

// What the xDS server knows of its proxies.
class ProxySource {
 public:
  struct Counts {
    size_t connected = 0;
    size_t rejecting = 0;            // connected, and a resource is rejected
    size_t shared_certificates = 0;  // times that a certificate was used in two places, in total
  };
  virtual ~ProxySource() = default;
  // See ControlPlaneView.
  using Range = api::ControlPlaneView::ProxyRange;
  virtual std::vector<api::ProxyStatus> Proxies(const Range& range) = 0;
  virtual std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) = 0;
  // Absent: the proxy is not connected.
  virtual std::optional<snapshot::ResourceTable> ConfigOf(const std::string& proxy,
                                                          std::string_view type_url) = 0;
  virtual Counts counts() const = 0;
};

class ControlPlane : public api::ControlPlaneView {
 public:
  static absl::StatusOr<std::unique_ptr<ControlPlane>> Open(const ControlPlaneOptions& options,
                                                            loop::Loop& loop,
                                                            certs::KeySource& keys,
                                                            telemetry::Log& log);
  ~ControlPlane() override;

  Admission& admission() { return *admission_; }
  RegistrySource& registry() { return *registry_; }
  MeshBuilder& mesh_builder() { return *builder_; }
  const MeshBuilder& mesh_builder() const { return *builder_; }
  ca::MeshAuthority& authority() { return *books_->authority; }
  const ca::MeshAuthority& authority() const { return *books_->authority; }
  insight::TraceRing& traces() { return traces_; }

  api::Api& api() { return *api_; }
  // The same, and what was changed goes to the log.
  api::ApiResponse HandleApi(const api::ApiRequest& request);

  // For the API and metrics. Null: there are no proxies.
  void SetProxySource(ProxySource* source) { proxies_ = source; }
  const ProxySource* proxy_source() const { return proxies_; }
  // Called when the trust bundle, the signing root or the revocation lists have changed: acceptors
  // must be made anew, and connections of revoked certificates closed.
  void SetRootsObserver(std::function<void()> observer) { roots_observer_ = std::move(observer); }
  // Where the frontend serves sidecars, once it does.
  void SetGrpcPort(uint16_t port) { grpc_port_ = port; }

  // ControlPlaneView.
  std::vector<api::ProxyStatus> Proxies(const ProxyRange& range) const override;
  std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) const override;
  snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                   std::string_view type_url) const override;
  const discovery::Mesh& CurrentMesh() const override { return builder_->mesh(); }
  const discovery::ServiceTable& Services() const override { return builder_->services(); }
  size_t HeldLeases() const override { return registry_->held(); }
  uint16_t GrpcPort() const override { return grpc_port_; }

  int64_t Now() const;  // seconds since the epoch
  telemetry::Log& log() { return log_; }

 private:
  ControlPlane(loop::Loop& loop, telemetry::Log& log);

  absl::Status StartMesh(const ControlPlaneOptions& options, certs::KeySource& keys);
  // Policies, roots or identities have changed.
  void OnChange();
  std::string Roots() const;

  loop::Loop& loop_;
  telemetry::Log& log_;
  std::unique_ptr<Books> books_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<MeshBuilder> builder_;
  std::unique_ptr<RegistrySource> registry_;
  std::unique_ptr<Housekeeping> housekeeping_;
  insight::TraceRing traces_;
  std::unique_ptr<api::Api> api_;
  ProxySource* proxies_ = nullptr;
  std::function<void()> roots_observer_;
  std::string roots_seen_;
  int64_t policies_seen_ = -1;  // the revision that the mesh was told
  uint16_t grpc_port_ = 0;
};

}  // namespace tulle::server
