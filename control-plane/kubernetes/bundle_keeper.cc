#include "control-plane/kubernetes/bundle_keeper.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::Json;
using k8s::TextAt;

// Between two attempts, so that writers who do not agree do not keep the API server busy.
constexpr std::chrono::seconds kPause{2};

std::string PathOf(const WebhookConfiguration& kept) {
  return absl::StrCat("/apis/admissionregistration.k8s.io/v1/", kept.plural);
}

k8s::Resource ResourceOf(const WebhookConfiguration& kept) {
  k8s::Resource resource{PathOf(kept)};
  resource.only = kept.name;
  return resource;
}

bool CallsControlPlane(const Json& webhook) {
  return TextAt(webhook, {"clientConfig", "service", "namespace"}) == kControlNamespace &&
         TextAt(webhook, {"clientConfig", "service", "name"}) == kControlService;
}

}  // namespace

Json BundlePatch(const Json& configuration, const std::string& bundle) {
  Json patch = Json::array();
  const Json& webhooks = At(configuration, {"webhooks"});
  if (!webhooks.is_array()) return patch;
  const std::string wanted = absl::Base64Escape(bundle);
  for (size_t i = 0; i < webhooks.size(); ++i) {
    if (!CallsControlPlane(webhooks[i])) continue;
    if (TextAt(webhooks[i], {"clientConfig", "caBundle"}) == wanted) continue;
    patch.push_back({{"op", "add"},
                     {"path", absl::StrCat("/webhooks/", i, "/clientConfig/caBundle")},
                     {"value", wanted}});
  }
  if (patch.empty()) return patch;
  // Positions are those of this version: the server refuses the patch (409) if it has changed.
  const Json pin{{"op", "replace"},
                 {"path", "/metadata/resourceVersion"},
                 {"value", TextAt(configuration, {"metadata", "resourceVersion"})}};
  patch.insert(patch.begin(), pin);
  return patch;
}

BundleKeeper::BundleKeeper(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                           const WebhookConfiguration& kept, std::function<bool()> is_leader)
    : loop_(loop),
      client_(client),
      log_(log),
      problems_(loop, log, telemetry::LogComponent::kCa),
      kept_(kept),
      is_leader_(std::move(is_leader)),
      reflector_(loop, client, ResourceOf(kept), {}, *this) {
  pause_ = loop_.NewTimer([this] { Write(); });
}

void BundleKeeper::SetRoots(const std::string& pem) {
  roots_ = pem;
  Write();
}

void BundleKeeper::OnUpsert(const k8s::ObjectKey&, const Json& object) {
  configuration_ = object;
  Write();
}

void BundleKeeper::OnDelete(const k8s::ObjectKey&) { configuration_.reset(); }

void BundleKeeper::OnSynced() {
  if (configuration_) return;
  was_settled_ = true;
  log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kCa,
             absl::StrCat(FullName(), " does not exist: ", kept_.without));
}

std::string BundleKeeper::FullName() const { return absl::StrCat(kept_.kind, " ", kept_.name); }

void BundleKeeper::Write() {
  if (call_ != nullptr || pause_->active() || !configuration_ || roots_.empty()) return;
  const Json patch = BundlePatch(*configuration_, roots_);
  if (patch.empty()) {
    was_settled_ = true;
    return;
  }
  if (!is_leader_()) return;
  k8s::Request request{"PATCH", absl::StrCat(PathOf(kept_), "/", kept_.name)};
  request.content_type = "application/json-patch+json";
  request.body = patch.dump();
  call_ = client_.Send(request, [this](const k8s::Answer& answer) {
    loop_.DeferDelete(std::move(call_));
    pause_->Start(kPause);
    if (answer.ok()) {
      was_settled_ = true;
      return log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kCa,
                        absl::StrCat("wrote the roots of the mesh into ", FullName()));
    }
    if (answer.reason == "Conflict") return;  // the new version is on the way
    problems_.Report(absl::StrCat("cannot write caBundle of ", FullName(), ": ", answer.error));
  });
}

}  // namespace tulle::kubernetes
