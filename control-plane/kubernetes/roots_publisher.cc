#include "control-plane/kubernetes/roots_publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "k8s/api/json.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;

constexpr std::chrono::seconds kRetry{5};
constexpr std::chrono::minutes kAgain{10};

}  // namespace

RootsPublisher::RootsPublisher(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                               std::function<bool()> is_leader)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kCa),
      is_leader_(std::move(is_leader)) {
  retry_ = loop_.NewTimer([this] {
    due_.merge(failed_);
    failed_.clear();
    WriteNext();
  });
  again_ = loop_.NewTimer([this] {
    again_->Start(kAgain);
    WriteAll();
  });
  again_->Start(kAgain);
}

void RootsPublisher::WriteAll() {
  due_ = namespaces_;
  WriteNext();
}

void RootsPublisher::SetRoots(const std::string& pem) {
  if (pem == roots_) return;
  roots_ = pem;
  WriteAll();
}

void RootsPublisher::SetNamespace(const std::string& ns, bool is_injected) {
  if (!is_injected) {
    namespaces_.erase(ns);
    due_.erase(ns);
    failed_.erase(ns);
  } else if (namespaces_.insert(ns).second) {
    due_.insert(ns);
    WriteNext();
  }
}

void RootsPublisher::WriteNext() {
  if (call_ != nullptr || due_.empty() || roots_.empty()) return;
  if (!is_leader_()) return;
  std::string ns = *due_.begin();
  due_.erase(due_.begin());
  const Json map{{"apiVersion", "v1"},
                 {"kind", "ConfigMap"},
                 {"metadata", {{"name", kRootsConfigMap}, {"namespace", ns}}},
                 {"data", {{kRootsKey, roots_}}}};
  const std::string path =
      absl::StrCat("/api/v1/namespaces/", k8s::Escape(ns), "/configmaps/", kRootsConfigMap);
  call_ =
      client_.Send(k8s::Apply(path, map.dump(), "tulle-control"),
                   [this, ns = std::move(ns)](const k8s::Answer& answer) {
                     loop_.DeferDelete(std::move(call_));
                     if (answer.ok()) return WriteNext();
                     // A namespace that is being deleted takes no objects.
                     if (!namespaces_.contains(ns)) return WriteNext();
                     failed_.insert(ns);
                     problems_.Report(absl::StrCat("cannot write the ConfigMap ", kRootsConfigMap,
                                                   " of namespace ", ns, ": ", answer.error));
                     // One that refuses must not keep the others waiting.
                     if (!retry_->active()) retry_->Start(kRetry);
                     WriteNext();
                   });
}

}  // namespace tulle::kubernetes
