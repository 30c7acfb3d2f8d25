#include "control-plane/server/mesh_builder.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::server {
namespace {

constexpr std::chrono::milliseconds kCoalesce{50};
// Of services, in one turn of the loop: some milliseconds.
constexpr size_t kSlice = 16;

}  // namespace

MeshBuilder::MeshBuilder(const Options& options, loop::Loop& loop, discovery::VipBook& vips,
                         telemetry::Log& log)
    : loop_(loop),
      vips_(vips),
      log_(log),
      mesh_(options.trust_domain, options.access_log_file),
      self_(std::make_shared<MeshBuilder*>(this)) {
  coalesce_ = loop_.NewTimer([this] { BuildNow(); });
}

MeshBuilder::~MeshBuilder() { *self_ = nullptr; }

void MeshBuilder::PutWorkload(discovery::Workload workload) {
  const std::string id = workload.id;
  workloads_.insert_or_assign(id, std::move(workload));
}

void MeshBuilder::RemoveWorkload(const std::string& id) {
  workloads_.insert_or_assign(id, std::nullopt);
}

void MeshBuilder::PutService(const discovery::ServiceName& name,
                             discovery::DeclaredService service) {
  services_.insert_or_assign(name, std::move(service));
}

void MeshBuilder::RemoveService(const discovery::ServiceName& name) {
  services_.insert_or_assign(name, std::nullopt);
}

void MeshBuilder::PutPolicy(std::shared_ptr<const policy::Document> policy) {
  const bool is_new = policies_.of_cluster().Find(policy->key) == nullptr;
  if (on_cluster_policy_) on_cluster_policy_(policy->key, is_new ? "Created" : "Changed");
  policies_.PutOfCluster(std::move(policy));
}

void MeshBuilder::RemovePolicy(const policy::DocumentKey& key) {
  if (on_cluster_policy_ && policies_.of_cluster().Find(key) != nullptr)
    on_cluster_policy_(key, "Deleted");
  policies_.RemoveOfCluster(key);
}

void MeshBuilder::Start() { Build(); }

void MeshBuilder::OnChange() {
  is_dirty_ = true;
  if (!coalesce_->active()) Build();
}

void MeshBuilder::BuildNow() {
  if (is_dirty_) Build();
}

void MeshBuilder::RetryVips() {
  if (lacks_vips_) OnChange();
}

void MeshBuilder::Build() {
  is_dirty_ = false;
  coalesce_->Start(kCoalesce);
  for (auto& [name, service] : std::exchange(services_, {})) {
    if (service) {
      mesh_.PutService(name, *std::move(service));
    } else {
      mesh_.RemoveService(name);
    }
  }
  for (auto& [id, workload] : std::exchange(workloads_, {})) {
    if (workload) {
      mesh_.PutWorkload(*std::move(workload));
    } else {
      mesh_.RemoveWorkload(id);
    }
  }
  mesh_.ChangePolicies(policies_.TakeChanges());
  mesh_.SetTrustBundle(trust_bundle_, revocations_);
  if (shared_ == nullptr || lacks_vips_ || mesh_.has_new_hosts()) AssignVips();
  discovery::MeshChanges changes = mesh_.TakeChanges();
  ++versions_;
  if (shared_ != nullptr) return UpdateResources(std::move(changes));
  shared_ = std::make_unique<snapshot::SharedResources>(mesh_.mesh(), mesh_.services());
  own_ = std::make_unique<snapshot::OwnResources>(*shared_);
}

void MeshBuilder::UpdateResources(discovery::MeshChanges changes) {
  for (const auto& [name, scope] : changes.services) {
    const bool is_gone = !mesh_.services().contains(name);
    const auto stage =
        shared_->Has(name) ? ServiceBacklog::Stage::kChanged : ServiceBacklog::Stage::kNew;
    behind_.Add(name, scope, is_gone ? ServiceBacklog::Stage::kGone : stage);
  }
  changes.services = behind_.Take(kSlice);
  // Routes that name a new service would come before its cluster.
  are_routes_behind_ |= changes.routes;
  changes.routes = !behind_.has_new() && std::exchange(are_routes_behind_, false);
  const xds::ChangedNames resources = shared_->Update(changes);
  for (const std::string& id : changes.workloads) own_->Forget(id);
  if (observer_) observer_({changes, resources});
  if (behind_.empty() || std::exchange(is_posted_, true)) return;
  loop_.Post([self = self_] {
    if (*self == nullptr) return;
    (*self)->is_posted_ = false;
    (*self)->UpdateResources({});
  });
}

void MeshBuilder::AssignVips() {
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch()).count();
  const absl::Status status = vips_.Assign(mesh_.Hosts(), now);
  mesh_.SetVips(vips_.addresses());
  if (!status.ok() && !lacks_vips_) {
    log_.Write(telemetry::LogLevel::kError, telemetry::LogComponent::kRegistry,
               absl::StrCat("services without a virtual address: ", status.ToString()));
  }
  lacks_vips_ = !status.ok();
}

}  // namespace tulle::server
