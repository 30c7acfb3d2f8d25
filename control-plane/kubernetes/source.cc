#include "control-plane/kubernetes/source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/problem_log.h"

namespace tulle::kubernetes {

using k8s::Json;
using k8s::ObjectKey;

// One resource.
class Source::Feed final : private k8s::ReflectorEvents {
 public:
  Feed(Source& source, k8s::Resource resource, Put put, Remove remove)
      : source_(source),
        put_(std::move(put)),
        remove_(std::move(remove)),
        problems_(source.loop_, source.log_, telemetry::LogComponent::kRegistry),
        reflector_(source.loop_, source.client_, std::move(resource), {}, *this) {}

  void Start() { reflector_.Start(); }
  bool synced() const { return reflector_.synced(); }

 private:
  void OnUpsert(const ObjectKey& key, const Json& object) override {
    put_(key, object);
    source_.OnChange();
  }
  void OnDelete(const ObjectKey& key) override {
    remove_(key);
    source_.OnChange();
  }
  void OnSynced() override { source_.OnFeedSynced(); }
  void OnProblem(const std::string& text) override {
    problems_.Report(absl::StrCat("Kubernetes: ", text));
  }

  Source& source_;
  const Put put_;
  const Remove remove_;
  ProblemLog problems_;
  k8s::Reflector reflector_;
};

Source::Source(loop::Loop& loop, k8s::Client& client, std::string trust_domain,
               discovery::MeshSink& mesh, telemetry::Log& log, Events events)
    : loop_(loop),
      client_(client),
      mesh_(mesh),
      log_(log),
      events_(std::move(events)),
      state_(std::move(trust_domain), mesh) {
  Add(
      "/api/v1/nodes", true, [this](const auto& key, const auto& it) { state_.PutNode(key, it); },
      [this](const auto& key) { state_.RemoveNode(key); });
  Add(
      "/api/v1/namespaces", true,
      [this](const auto& key, const auto& it) { events_.on_namespace(key.name, IsInjected(it)); },
      [this](const auto& key) { events_.on_namespace(key.name, false); });
  Add(
      "/api/v1/pods", true, [this](const auto& key, const auto& it) { state_.PutPod(key, it); },
      [this](const auto& key) {
        const std::string uid = state_.RemovePod(key);
        if (!uid.empty()) events_.on_pod_gone(uid);
      });
  Add(
      "/api/v1/services", false,
      [this](const auto& key, const auto& it) { state_.PutService(key, it); },
      [this](const auto& key) { state_.RemoveService(key); });
  Add(
      "/apis/discovery.k8s.io/v1/endpointslices", false,
      [this](const auto& key, const auto& it) { state_.PutSlice(key, it); },
      [this](const auto& key) { state_.RemoveSlice(key); });
}

Source::~Source() = default;

void Source::Add(const char* path, bool metadata_only, Put put, Remove remove) {
  feeds_.push_back(std::make_unique<Feed>(*this, k8s::Resource{path, metadata_only}, std::move(put),
                                          std::move(remove)));
}

void Source::Start() {
  for (const auto& feed : feeds_) feed->Start();
}

void Source::OnChange() {
  if (is_synced_) mesh_.OnChange();
}

void Source::OnFeedSynced() {
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
