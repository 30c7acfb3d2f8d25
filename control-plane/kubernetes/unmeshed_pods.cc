#include "control-plane/kubernetes/unmeshed_pods.h"

#include <algorithm>
#include <iterator>

#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::TextAt;

// As the webhook skips them.
constexpr const char* kNeverInjected[] = {"kube-system", "kube-public", "kube-node-lease",
                                          kControlNamespace};

bool LacksSidecar(const Json& metadata) {
  return TextAt(metadata, {"metadata", "labels", kMeshedLabel}) != "true" &&
         TextAt(metadata, {"metadata", "labels", kInjectLabel}) != "disabled" &&
         At(metadata, {"metadata", "deletionTimestamp"}).is_null();
}

}  // namespace

void UnmeshedPods::SetNamespace(const std::string& ns, bool is_injected) {
  const bool is_never = std::find(std::begin(kNeverInjected), std::end(kNeverInjected), ns) !=
                        std::end(kNeverInjected);
  if (is_injected && !is_never) {
    injected_.insert(ns);
  } else {
    injected_.erase(ns);
  }
}

void UnmeshedPods::Put(const ObjectKey& key, const Json& metadata) {
  if (!LacksSidecar(metadata)) return Remove(key);
  without_[key.ns].insert(key.name);
}

void UnmeshedPods::Remove(const ObjectKey& key) {
  const auto pods = without_.find(key.ns);
  if (pods == without_.end()) return;
  pods->second.erase(key.name);
  if (pods->second.empty()) without_.erase(pods);
}

std::map<std::string, size_t> UnmeshedPods::Counts() const {
  std::map<std::string, size_t> counts;
  for (const std::string& ns : injected_) {
    const auto pods = without_.find(ns);
    if (pods != without_.end()) counts[ns] = pods->second.size();
  }
  return counts;
}

}  // namespace tulle::kubernetes
