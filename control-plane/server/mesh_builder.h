// Builds the mesh and its resources from what the sources tell: the first change at once, the rest
// of a burst together 50 ms later. Gives new services their virtual addresses. The resources of a
// change that touches many services (a mesh-wide TelemetryPolicy) are made in slices, one in each
// turn of the loop.
//
// Owner: ControlPlane. Thread: the loop's. Order: the sources tell what they know, Start(), then
// any changes, each followed by OnChange().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control-plane/discovery/live_mesh.h"
#include "control-plane/discovery/mesh_source.h"
#include "control-plane/discovery/policy_layers.h"
#include "control-plane/discovery/vip_book.h"
#include "control-plane/server/service_backlog.h"
#include "control-plane/snapshot/node_resources.h"
#include "control-plane/snapshot/shared_resources.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"
#include "xds/server/view.h"

namespace tulle::server {

// What is different in a new version of the mesh, or in a slice of it.
struct MeshUpdate {
  const discovery::MeshChanges& mesh;
  const xds::ChangedNames& resources;  // of those that nodes share
};

class MeshBuilder final : public discovery::MeshSink {
 public:
  struct Options {
    std::string trust_domain;
    std::string access_log_file;  // see discovery::Mesh
  };
  // All outlive this.
  MeshBuilder(const Options& options, loop::Loop& loop, discovery::VipBook& vips,
              telemetry::Log& log);
  ~MeshBuilder() override;

  void PutWorkload(discovery::Workload workload) override;
  void RemoveWorkload(const std::string& id) override;
  void PutService(const discovery::ServiceName& name, discovery::DeclaredService service) override;
  void RemoveService(const discovery::ServiceName& name) override;
  void SetPolicies(policy::PolicySet policies) override {
    policies_.SetStored(std::move(policies));
  }
  void PutPolicy(std::shared_ptr<const policy::Document> policy) override;
  void RemovePolicy(const policy::DocumentKey& key) override;
  void OnChange() override;
  void SetTrustBundle(const std::string& pem, const std::string& revocations_pem = "") {
    trust_bundle_ = pem;
    revocations_ = revocations_pem;
  }

  void Start();
  // Does not wait for the end of a burst.
  void BuildNow();
  // The resources show everything that was told.
  bool is_up_to_date() const { return !is_dirty_ && behind_.empty(); }
  // Tries again what the store refused.
  void RetryVips();

  using Observer = std::function<void(const MeshUpdate&)>;
  void SetObserver(Observer observer) { observer_ = std::move(observer); }
  // `verb`: "Created", "Changed" or "Deleted".
  using ClusterPolicyObserver = std::function<void(const policy::DocumentKey&, const char* verb)>;
  void SetClusterPolicyObserver(ClusterPolicyObserver observer) {
    on_cluster_policy_ = std::move(observer);
  }

  // As of the last version; what was told since is not in it.
  const discovery::Mesh& mesh() const { return mesh_.mesh(); }
  const discovery::ServiceTable& services() const { return mesh_.services(); }
  snapshot::SharedResources& shared() { return *shared_; }
  snapshot::OwnResources& own() { return *own_; }
  // Those that a cluster has told.
  const policy::PolicySet& cluster_policies() const { return policies_.of_cluster(); }
  int64_t versions() const { return versions_; }

 private:
  void Build();
  // Brings the resources of some touched services up to date, the others in later turns.
  void UpdateResources(discovery::MeshChanges changes);
  // Services that are new get their virtual addresses.
  void AssignVips();

  loop::Loop& loop_;
  discovery::VipBook& vips_;
  telemetry::Log& log_;
  discovery::LiveMesh mesh_;
  std::unique_ptr<snapshot::SharedResources> shared_;
  std::unique_ptr<snapshot::OwnResources> own_;
  Observer observer_;
  ClusterPolicyObserver on_cluster_policy_;
  std::unique_ptr<loop::Timer> coalesce_;
  // Told, and not in the mesh yet. Absent: removed.
  std::map<std::string, std::optional<discovery::Workload>> workloads_;
  std::map<discovery::ServiceName, std::optional<discovery::DeclaredService>> services_;
  discovery::PolicyLayers policies_;
  std::string trust_bundle_;
  std::string revocations_;
  ServiceBacklog behind_;  // services whose resources are not up to date yet
  bool are_routes_behind_ = false;
  std::shared_ptr<MeshBuilder*> self_;  // for what is posted: null once this has gone
  bool is_posted_ = false;
  bool is_dirty_ = false;
  bool lacks_vips_ = false;
  int64_t versions_ = 0;
};

}  // namespace tulle::server
