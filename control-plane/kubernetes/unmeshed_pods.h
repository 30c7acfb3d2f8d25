// Pods that should have a sidecar and have none: they are in a namespace whose pods are injected,
// do not opt out, and were created before the label or while the webhook did not answer. Pods that
// have ended do not count, nor do those with hostNetwork, which are never injected: they have the
// address of their node. Pure. Owner: Source. Thread: the loop's.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class UnmeshedPods {
 public:
  void SetNamespace(const std::string& ns, bool is_injected);
  void Put(const ObjectKey& key, const Json& row);  // of the Table of pods
  void Remove(const ObjectKey& key);

  // How many there are, by namespace. `is_node`: whether a node has this address.
  std::map<std::string, size_t> Counts(
      const std::function<bool(const std::string& address)>& is_node) const;

 private:
  std::set<std::string> injected_;  // namespaces
  // Pods without a sidecar, by namespace and name, and their addresses.
  std::map<std::string, std::map<std::string, std::string>> without_;
};

}  // namespace tulle::kubernetes
