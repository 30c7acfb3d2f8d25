#include "control-plane/kubernetes/source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {

Source::Source(loop::Loop& loop, k8s::Client& client, std::string trust_domain,
               discovery::MeshSink& mesh, telemetry::Log& log, Events events)
    : loop_(loop),
      client_(client),
      mesh_(mesh),
      log_(log),
      events_(std::move(events)),
      state_(std::move(trust_domain), mesh) {
  Add(
      "/api/v1/nodes", k8s::Form::kTable,
      [this](const auto& key, const auto& it) { state_.PutNode(key, it); },
      [this](const auto& key) { state_.RemoveNode(key); });
  Add(
      "/api/v1/namespaces", k8s::Form::kMetadata,
      [this](const auto& key, const auto& it) { SetNamespace(key.name, IsInjected(it)); },
      [this](const auto& key) { SetNamespace(key.name, false); });
  Add(
      "/api/v1/pods", k8s::Form::kTable,
      [this](const auto& key, const auto& it) {
        state_.PutPod(key, it);
        unmeshed_.Put(key, it);
      },
      [this](const auto& key) {
        unmeshed_.Remove(key);
        const std::string uid = state_.RemovePod(key);
        if (!uid.empty()) events_.on_pod_gone(uid);
      });
  Add(
      "/api/v1/services", k8s::Form::kWhole,
      [this](const auto& key, const auto& it) {
        state_.PutService(key, it);
        events_.on_service({key.ns, key.name});
      },
      [this](const auto& key) {
        state_.RemoveService(key);
        events_.on_service({key.ns, key.name});
      });
  Add(
      "/apis/discovery.k8s.io/v1/endpointslices", k8s::Form::kWhole,
      [this](const auto& key, const auto& it) { state_.PutSlice(key, it); },
      [this](const auto& key) { state_.RemoveSlice(key); });
}

Source::~Source() = default;

void Source::Add(const char* path, k8s::Form form, Put put, Remove remove) {
  feeds_.push_back(
      std::make_unique<Feed>(loop_, client_, log_, k8s::Resource{path, form},
                             Feed::Events{std::move(put), std::move(remove), [this] { OnChange(); },
                                          [this] { OnFeedSettled(); }}));
}

void Source::Start() {
  for (const auto& feed : feeds_) feed->Start();
}

void Source::SetNamespace(const std::string& ns, bool is_injected) {
  unmeshed_.SetNamespace(ns, is_injected);
  events_.on_namespace(ns, is_injected);
}

void Source::OnChange() {
  if (is_synced_) mesh_.OnChange();
}

void Source::OnFeedSettled() {
  if (is_synced_) return;
  const bool are_all =
      std::all_of(feeds_.begin(), feeds_.end(), [](const auto& feed) { return feed->synced(); });
  if (!are_all) return;
  is_synced_ = true;
  state_.Publish();
  mesh_.OnChange();
  log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kRegistry,
             absl::StrCat("read the Kubernetes API: ", state_.services(), " Services, ",
                          state_.pods(), " pods"));
  events_.on_synced();
}

}  // namespace tulle::kubernetes
