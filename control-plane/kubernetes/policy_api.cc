#include "control-plane/kubernetes/policy_api.h"

#include <algorithm>
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
      client_(client),
      mesh_(mesh),
      problems_(loop, log, telemetry::LogComponent::kRegistry),
      log_(log),
      parts_(std::move(parts)),
      policies_(mesh, parts_.mesh_namespace),
      writer_(loop, client, log,
              {[this](const policy::DocumentKey& key) { return StatusRequest(key); },
               parts_.is_leader}),
      resources_(loop, client, log, GroupPath(),
                 [this](const std::set<std::string>& names) { OnResources(names); }) {}

bool PolicyApi::settled() const {
  return is_complete_ && std::all_of(feeds_.begin(), feeds_.end(),
                                     [](const auto& each) { return each.second->synced(); });
}

bool PolicyApi::Serves(policy::Kind kind) const {
  const auto feed = feeds_.find(kind);
  return feed != feeds_.end() && feed->second->synced();
}

void PolicyApi::OnResources(const std::set<std::string>& names) {
  std::vector<std::string> missing;
  for (const policy::KindEntry& entry : policy::AllKinds()) {
    if (entry.api_version != policy::kTulleApiVersion) continue;
    const std::string name(entry.plural);
    const bool is_served = names.contains(name);
    if (!is_served) missing.push_back(name);
    if (is_served && !feeds_.contains(entry.kind)) Watch(entry.kind);
    if (!is_served && feeds_.erase(entry.kind) > 0) policies_.RemoveAll(entry.kind);
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

void PolicyApi::Watch(policy::Kind kind) {
  auto& feed = feeds_[kind];
  feed = std::make_unique<Feed>(
      loop_, client_, log_,
      k8s::Resource{absl::StrCat(GroupPath(), "/", std::string(policy::EntryOf(kind).plural))},
      Feed::Events{
          [this, kind](const k8s::ObjectKey& key, const k8s::Json& object) {
            policies_.Put(kind, key, object);
          },
          [this, kind](const k8s::ObjectKey& key) {
            policies_.Remove({kind, key.ns, key.name});
          },
          // A listing that is not complete could miss an older policy that defines the same.
          [this, kind] {
            if (Serves(kind)) Update();
          },
          [this] { OnSettled(); }});
  feed->Start();
}

void PolicyApi::OnSettled() {
  if (!settled()) return;
  Update();
  parts_.on_settled();
}

void PolicyApi::Publish() {
  is_published_ = true;
  Update();
}

void PolicyApi::Update() {
  if (!is_published_) return;
  const ClusterPolicies::Outcome outcome = policies_.Update();
  if (outcome.has_changed) mesh_.OnChange();
  for (const std::string& refused : outcome.refused) {
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kRegistry,
               absl::StrCat("Kubernetes: not in force: ", refused));
  }
  for (const policy::DocumentKey& key : outcome.policies) writer_.Add(key);
  writer_.Write();
}

std::optional<k8s::Request> PolicyApi::StatusRequest(const policy::DocumentKey& key) const {
  auto change = policies_.StatusOf(key, TimeText(loop_.WallNow()));
  if (!change) return std::nullopt;
  return StatusPatch(key, change->version, {{"conditions", std::move(change->conditions)}});
}

}  // namespace tulle::kubernetes
