#include "control-plane/kubernetes/policy_feeds.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::kubernetes {

PolicyFeeds::PolicyFeeds(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh,
                         telemetry::Log& log, Parts parts)
    : loop_(loop),
      client_(client),
      mesh_(mesh),
      log_(log),
      parts_(std::move(parts)),
      writer_(loop, client, log, {parts_.status, parts_.is_leader}) {}

void PolicyFeeds::Watch(const std::string& name, const std::string& path, Put put, Remove remove) {
  auto& feed = feeds_[name];
  feed = std::make_unique<Feed>(loop_, client_, log_, k8s::Resource{path},
                                Feed::Events{std::move(put), std::move(remove),
                                             [this] { Update(); }, [this] { parts_.on_listed(); }});
  feed->Start();
}

bool PolicyFeeds::Serves(policy::Kind kind) const {
  const auto feed = feeds_.find(std::string(policy::EntryOf(kind).plural));
  return feed != feeds_.end() && feed->second->synced();
}

bool PolicyFeeds::all_synced() const {
  return std::all_of(feeds_.begin(), feeds_.end(),
                     [](const auto& each) { return each.second->synced(); });
}

bool PolicyFeeds::all_settled() const {
  return std::all_of(feeds_.begin(), feeds_.end(), [](const auto& each) {
    return each.second->synced() || each.second->refused();
  });
}

void PolicyFeeds::Publish() {
  is_published_ = true;
  Update();
}

void PolicyFeeds::Update() {
  if (!is_published_ || !all_settled()) return;
  const PolicyOutcome outcome = parts_.update();
  if (outcome.has_changed) mesh_.OnChange();
  for (const std::string& refused : outcome.refused) {
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kRegistry,
               absl::StrCat("Kubernetes: policy not accepted: ", refused));
  }
  for (const policy::DocumentKey& key : outcome.documents) writer_.Add(key);
  writer_.Write();
}

}  // namespace tulle::kubernetes
