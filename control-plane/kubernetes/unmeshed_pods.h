// Pods that should have a sidecar and have none: they are in a namespace whose pods are injected,
// do not opt out, and were created before the label or while the webhook did not answer. What pods
// are known by is their metadata, so that those with hostNetwork, which are never injected, count
// until they have the label that opts out. Pure. Owner: Source. Thread: the loop's.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class UnmeshedPods {
 public:
  void SetNamespace(const std::string& ns, bool is_injected);
  void Put(const ObjectKey& key, const Json& metadata);
  void Remove(const ObjectKey& key);

  // How many there are, by namespace.
  std::map<std::string, size_t> Counts() const;

 private:
  std::set<std::string> injected_;                        // namespaces
  std::map<std::string, std::set<std::string>> without_;  // pods without a sidecar, by namespace
};

}  // namespace tulle::kubernetes
