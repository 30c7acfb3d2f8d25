// The running control plane as the API and metrics show it: the mesh, its proxies, its leases.
// Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/api/api.h"
#include "control-plane/server/mesh_builder.h"
#include "control-plane/server/registry_source.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::server {

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

class PlaneView final : public api::ControlPlaneView {
 public:
  // Both outlive this.
  PlaneView(MeshBuilder& builder, const RegistrySource& registry)
      : builder_(builder), registry_(registry) {}

  // Null: there are no proxies.
  void SetProxySource(ProxySource* source) { proxies_ = source; }
  // Where the frontend serves sidecars, once it does.
  void SetGrpcPort(uint16_t port) { grpc_port_ = port; }
  // Which kinds of policies a Kubernetes cluster has. Unset: there is no cluster.
  void SetClusterKinds(std::function<bool(policy::Kind)> kinds) {
    cluster_kinds_ = std::move(kinds);
  }
  // How many replicas of the control plane there are. Null: this one.
  void SetReplicas(std::function<size_t()> replicas) { replicas_ = std::move(replicas); }
  size_t Replicas() const { return replicas_ ? replicas_() : 1; }
  ProxySource::Counts proxy_counts() const;

  std::vector<api::ProxyStatus> Proxies(const ProxyRange& range) const override;
  std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) const override;
  snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                   std::string_view type_url) const override;
  const discovery::Mesh& CurrentMesh() const override { return builder_.mesh(); }
  const discovery::ServiceTable& Services() const override { return builder_.services(); }
  const policy::PolicySet& ClusterPolicies() const override { return builder_.cluster_policies(); }
  bool IsServedByCluster(policy::Kind kind) const override {
    return cluster_kinds_ && cluster_kinds_(kind);
  }
  size_t HeldLeases() const override { return registry_.held(); }
  const registry::OpenBreakers& OpenBreakers() const override { return registry_.open_breakers(); }
  uint16_t GrpcPort() const override { return grpc_port_; }

 private:
  MeshBuilder& builder_;
  const RegistrySource& registry_;
  ProxySource* proxies_ = nullptr;
  std::function<bool(policy::Kind)> cluster_kinds_;
  std::function<size_t()> replicas_;
  uint16_t grpc_port_ = 0;
};

}  // namespace tulle::server
