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

bool LacksSidecar(const Json& row) {
  return TextAt(row, {"metadata", "labels", kMeshedLabel}) != "true" &&
         TextAt(row, {"metadata", "labels", kInjectLabel}) != "disabled" &&
         At(row, {"metadata", "deletionTimestamp"}).is_null() && !HasEnded(row);
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

void UnmeshedPods::Put(const ObjectKey& key, const Json& row) {
  if (!LacksSidecar(row)) return Remove(key);
  without_[key.ns][key.name] = TextAt(row, {"cells", "IP"});
}

void UnmeshedPods::Remove(const ObjectKey& key) {
  const auto pods = without_.find(key.ns);
  if (pods == without_.end()) return;
  pods->second.erase(key.name);
  if (pods->second.empty()) without_.erase(pods);
}

std::map<std::string, size_t> UnmeshedPods::Counts(
    const std::function<bool(const std::string&)>& is_node) const {
  std::map<std::string, size_t> counts;
  for (const std::string& ns : injected_) {
    const auto pods = without_.find(ns);
    if (pods == without_.end()) continue;
    const auto count = std::count_if(pods->second.begin(), pods->second.end(),
                                     [&](const auto& pod) { return !is_node(pod.second); });
    if (count > 0) counts[ns] = static_cast<size_t>(count);
  }
  return counts;
}

}  // namespace tulle::kubernetes
