#include "control-plane/kubernetes/reference_grants.h"

#include <algorithm>
#include <utility>

#include "control-plane/kubernetes/route_object.h"

namespace tulle::kubernetes {

using k8s::At;
using k8s::TextAt;

void ReferenceGrants::Put(const ObjectKey& key, const Json& grant) {
  Grant read;
  for (const Json& from : At(grant, {"spec", "from"})) {
    if (TextAt(from, {"group"}) != kGatewayGroup) continue;
    read.from.emplace_back(TextAt(from, {"kind"}), TextAt(from, {"namespace"}));
  }
  for (const Json& to : At(grant, {"spec", "to"})) {
    const std::string group = TextAt(to, {"group"});
    if (!(group.empty() || group == "core") || TextAt(to, {"kind"}) != "Service") continue;
    read.to.push_back(TextAt(to, {"name"}));
  }
  grants_.insert_or_assign(key, std::move(read));
}

std::vector<ObjectKey> ReferenceGrants::Keys() const {
  std::vector<ObjectKey> keys;
  for (const auto& [key, grant] : grants_) keys.push_back(key);
  return keys;
}

bool ReferenceGrants::Allow(std::string_view kind, const std::string& ns,
                            const ServiceName& service) const {
  if (ns == service.ns) return true;
  for (auto it = grants_.lower_bound({service.ns, ""});
       it != grants_.end() && it->first.ns == service.ns; ++it) {
    const Grant& grant = it->second;
    const bool is_from = std::any_of(grant.from.begin(), grant.from.end(), [&](const auto& from) {
      return from.first == kind && from.second == ns;
    });
    const bool is_to = std::any_of(grant.to.begin(), grant.to.end(), [&](const std::string& name) {
      return name.empty() || name == service.name;
    });
    if (is_from && is_to) return true;
  }
  return false;
}

}  // namespace tulle::kubernetes
