// A mesh that keeps what a source reports. Owner: a test.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "control-plane/discovery/mesh_source.h"

namespace tulle::kubernetes {

class RecordedMesh final : public discovery::MeshSink {
 public:
  void PutWorkload(discovery::Workload workload) override {
    ++puts;
    const std::string id = workload.id;
    workloads.insert_or_assign(id, std::move(workload));
  }
  void RemoveWorkload(const std::string& id) override {
    ++removals;
    workloads.erase(id);
  }
  void PutService(const discovery::ServiceName& name, discovery::DeclaredService service) override {
    services.insert_or_assign(name, std::move(service));
  }
  void RemoveService(const discovery::ServiceName& name) override { services.erase(name); }
  void SetPolicies(policy::PolicySet) override {}
  void PutPolicy(std::shared_ptr<const policy::Document> policy) override {
    ++policy_puts;
    policies.Upsert(std::move(policy));
  }
  void RemovePolicy(const policy::DocumentKey& key) override { policies.Erase(key); }
  void OnChange() override { ++changes; }

  bool empty() const { return workloads.empty() && services.empty(); }

  std::map<std::string, discovery::Workload> workloads;
  std::map<discovery::ServiceName, discovery::DeclaredService> services;
  policy::PolicySet policies;
  int policy_puts = 0;
  int puts = 0;
  int removals = 0;
  int changes = 0;
};

}  // namespace tulle::kubernetes
