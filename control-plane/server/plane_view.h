// The running control plane as the API and metrics show it: the mesh, its proxies, its leases.
// Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/api/api.h"
#include "control-plane/discovery/cluster_facts.h"
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
  // Whose ADS stream comes from this address now, by this identity; empty: nobody's.
  virtual std::string ProxyAt(const std::string& address, const std::string& spiffe_id) const = 0;
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
  // Null: there is none.
  void SetCluster(const discovery::ClusterFacts* cluster) { cluster_ = cluster; }
  // Of the control plane.
  size_t Replicas() const { return cluster_ == nullptr ? 1 : cluster_->replicas(); }
  ProxySource::Counts proxy_counts() const;

  std::vector<api::ProxyStatus> Proxies(const ProxyRange& range) const override;
  std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) const override;
  snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                   std::string_view type_url) const override;
  const discovery::Mesh& CurrentMesh() const override { return builder_.mesh(); }
  // The node ID of the sidecar that is connected from there; empty: none is.
  std::string ProxyAt(const std::string& address, const std::string& spiffe_id) const {
    return proxies_ == nullptr ? std::string() : proxies_->ProxyAt(address, spiffe_id);
  }
  // NAMESPACE/NAME of its pod; empty: it is none of Kubernetes.
  std::string PodOf(const std::string& proxy) const;
  const discovery::ServiceTable& Services() const override { return builder_.services(); }
  const policy::PolicySet& ClusterPolicies() const override { return builder_.cluster_policies(); }
  bool IsServedByCluster(policy::Kind kind) const override {
    return cluster_ != nullptr && cluster_->Serves(kind);
  }
  std::map<std::string, std::string> RefusedPolicies() const override {
    return cluster_ == nullptr ? std::map<std::string, std::string>() : cluster_->RefusedPolicies();
  }
  std::map<std::string, std::string> UnresolvedRoutes() const override {
    return cluster_ == nullptr ? std::map<std::string, std::string>()
                               : cluster_->UnresolvedRoutes();
  }
  bool IsInCluster() const override { return cluster_ != nullptr; }
  std::map<std::string, size_t> PodsWithoutSidecar() const override {
    return cluster_ == nullptr ? std::map<std::string, size_t>() : cluster_->PodsWithoutSidecar();
  }
  size_t HeldLeases() const override { return registry_.held(); }
  const registry::OpenBreakers& OpenBreakers() const override { return registry_.open_breakers(); }
  uint16_t GrpcPort() const override { return grpc_port_; }

 private:
  MeshBuilder& builder_;
  const RegistrySource& registry_;
  ProxySource* proxies_ = nullptr;
  const discovery::ClusterFacts* cluster_ = nullptr;
  uint16_t grpc_port_ = 0;
};

}  // namespace tulle::server
