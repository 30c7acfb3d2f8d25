#include "control-plane/kubernetes/roots_secret.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;
using k8s::TextAt;

constexpr std::chrono::seconds kCreateAgain{2};

std::string Secrets() { return absl::StrCat("/api/v1/namespaces/", kControlNamespace, "/secrets"); }

k8s::Resource TheSecret() {
  k8s::Resource resource{Secrets()};
  resource.only = kRootsSecret;
  return resource;
}

Json ToData(const std::string& roots) { return {{kRootsSecretKey, absl::Base64Escape(roots)}}; }

}  // namespace

RootsSecret::RootsSecret(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                         std::string candidate, OnRoots on_roots)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kCa),
      reflector_(loop, client, TheSecret(), {}, *this),
      roots_(std::move(candidate)),
      on_roots_(std::move(on_roots)) {
  retry_ = loop_.NewTimer([this] { Create(); });
}

void RootsSecret::OnUpsert(const k8s::ObjectKey&, const Json& secret) {
  std::string roots;
  if (!absl::Base64Unescape(TextAt(secret, {"data", kRootsSecretKey}), &roots) || roots.empty()) {
    return problems_.Report(absl::StrCat("Secret ", kControlNamespace, "/", kRootsSecret,
                                         " has no valid ", kRootsSecretKey,
                                         ": restore it, or delete it"));
  }
  version_ = TextAt(secret, {"metadata", "resourceVersion"});
  roots_ = std::move(roots);
  on_roots_(roots_);
}

void RootsSecret::OnDelete(const k8s::ObjectKey&) {
  version_.clear();
  problems_.Report(absl::StrCat("Secret ", kControlNamespace, "/", kRootsSecret,
                                " was deleted: creating it again with the same roots"));
  Create();
}

void RootsSecret::OnSynced() {
  if (reflector_.size() == 0) Create();
}

void RootsSecret::Create() {
  if (call_ != nullptr || reflector_.size() != 0) return;
  const Json secret{{"apiVersion", "v1"},
                    {"kind", "Secret"},
                    {"type", "Opaque"},
                    {"metadata", {{"name", kRootsSecret}, {"namespace", kControlNamespace}}},
                    {"data", ToData(roots_)}};
  call_ = client_.Send(k8s::Create(Secrets(), secret.dump()), [this](const k8s::Answer& answer) {
    OnWritten(answer);
    if (!answer.ok()) retry_->Start(kCreateAgain);
  });
}

void RootsSecret::Write(const std::string& roots) {
  if (call_ != nullptr || version_.empty()) return;
  const Json change{{"metadata", {{"resourceVersion", version_}}}, {"data", ToData(roots)}};
  call_ = client_.Send(k8s::MergePatch(absl::StrCat(Secrets(), "/", kRootsSecret), change.dump()),
                       [this](const k8s::Answer& answer) { OnWritten(answer); });
}

// The result is seen by the watch, whoever wrote it.
void RootsSecret::OnWritten(const k8s::Answer& answer) {
  loop_.DeferDelete(std::move(call_));
  const bool was_faster = answer.reason == "AlreadyExists" || answer.reason == "Conflict";
  if (answer.ok() || was_faster) return;
  problems_.Report(absl::StrCat("cannot write Secret ", kControlNamespace, "/", kRootsSecret, ": ",
                                answer.error));
}

}  // namespace tulle::kubernetes
