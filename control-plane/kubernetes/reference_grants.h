// Which references across namespaces are allowed: the ReferenceGrants of a cluster. Pure. Owner:
// RouteBook. Thread: the loop's. Source: gateway.networking.k8s.io/v1 ReferenceGrant.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class ReferenceGrants {
 public:
  void Put(const ObjectKey& key, const Json& grant);
  void Remove(const ObjectKey& key) { grants_.erase(key); }
  // The keys of all.
  std::vector<ObjectKey> Keys() const;

  // Whether routes of this kind ("HTTPRoute") and namespace may refer to the Service. A namespace
  // needs no grant for itself.
  bool Allow(std::string_view kind, const std::string& ns, const ServiceName& service) const;

 private:
  struct Grant {
    std::vector<std::pair<std::string, std::string>> from;  // kind and namespace
    std::vector<std::string> to;                            // names of Services; an empty name: all
  };

  std::map<ObjectKey, Grant> grants_;
};

}  // namespace tulle::kubernetes
