#include "control-plane/kubernetes/policy_api.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/policy/kinds.h"

namespace tulle::kubernetes {
namespace {

std::string GroupPath() { return absl::StrCat("/apis/", std::string(policy::kTulleApiVersion)); }

}  // namespace

PolicyApi::PolicyApi(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh,
                     telemetry::Log& log, Parts parts)
    : loop_(loop),
      problems_(loop, log, telemetry::LogComponent::kRegistry),
      parts_(std::move(parts)),
      policies_(mesh, parts_.mesh_namespace, parts_.find_service),
      feeds_(loop, client, mesh, log,
             {[this] { return policies_.Update(); },
              [this](const policy::DocumentKey& key) { return StatusRequest(key); },
              parts_.is_leader, [this] { OnSettled(); }}),
      resources_(loop, client, log, GroupPath(),
                 [this](const std::set<std::string>& names) { OnResources(names); }) {}

void PolicyApi::OnResources(const std::set<std::string>& names) {
  std::vector<std::string> missing;
  for (const policy::KindEntry& entry : policy::AllKinds()) {
    if (entry.api_version != policy::kTulleApiVersion) continue;
    const std::string name(entry.plural);
    const bool is_served = names.contains(name);
    if (!is_served) missing.push_back(name);
    if (is_served && !feeds_.Has(name)) Watch(entry);
    if (!is_served && feeds_.Drop(name)) policies_.RemoveAll(entry.kind);
  }
  is_complete_ = is_complete_ || missing.empty();
  if (!is_complete_) {
    problems_.Report(absl::StrCat(
        "the cluster does not serve ", absl::StrJoin(missing, ", "), " of ",
        std::string(policy::kTulleApiVersion),
        ": no sidecar is served until it does. Install their definitions: tullectl install, with "
        "the same flags as before, | kubectl apply --server-side -f -"));
  }
  OnSettled();
}

void PolicyApi::Watch(const policy::KindEntry& entry) {
  const policy::Kind kind = entry.kind;
  const std::string name(entry.plural);
  feeds_.Watch(
      name, absl::StrCat(GroupPath(), "/", name),
      [this, kind](const k8s::ObjectKey& key, const k8s::Json& object) {
        policies_.Put(kind, key, object);
      },
      [this, kind](const k8s::ObjectKey& key) {
        policies_.Remove({kind, key.ns, key.name});
      });
}

void PolicyApi::OnSettled() {
  if (!settled()) return;
  feeds_.Update();
  parts_.on_settled();
}

void PolicyApi::OnService(const ServiceName& service) {
  policies_.OnService(service);
  if (settled()) feeds_.Update();
}

std::optional<k8s::Request> PolicyApi::StatusRequest(const policy::DocumentKey& key) const {
  auto change = policies_.StatusOf(key, TimeText(loop_.WallNow()));
  if (!change) return std::nullopt;
  return StatusPatch(key, change->version, {{"conditions", std::move(change->conditions)}});
}

}  // namespace tulle::kubernetes
