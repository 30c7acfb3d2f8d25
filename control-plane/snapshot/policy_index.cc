#include "control-plane/snapshot/policy_index.h"

#include <variant>

namespace tulle::snapshot {

PolicyIndex::PolicyIndex(const policy::PolicySet& policies) {
  for (const auto& [key, document] : policies.documents()) {
    if (const auto* policy = std::get_if<policy::ResiliencePolicy>(&document->spec)) {
      resilience_[{policy->target.ns, policy->target.name}] = policy;
    }
    const auto* route = std::get_if<policy::HttpRoute>(&document->spec);
    if (route == nullptr) continue;
    for (const policy::ParentRef& parent : route->parents) {
      routes_[parent.service].push_back({parent.port, document.get()});
    }
  }
  for (const auto& [key, document] : policies.documents()) {
    const auto* route = std::get_if<policy::HttpRoute>(&document->spec);
    if (route == nullptr || route->parents.empty()) continue;
    const auto above = resilience_.find(route->parents[0].service);
    if (above == resilience_.end()) continue;
    for (const policy::HttpRouteRule& rule : route->rules) {
      for (const policy::BackendRef& backend : rule.backends) {
        inherited_.try_emplace(backend.service, above->second);
      }
    }
  }
}

const policy::ResiliencePolicy* PolicyIndex::OwnResilienceOf(
    const policy::ServiceName& service) const {
  const auto own = resilience_.find(service);
  return own == resilience_.end() ? nullptr : own->second;
}

const policy::ResiliencePolicy* PolicyIndex::ResilienceOf(
    const policy::ServiceName& service) const {
  if (const auto* own = OwnResilienceOf(service)) return own;
  const auto inherited = inherited_.find(service);
  return inherited == inherited_.end() ? nullptr : inherited->second;
}

const policy::Document* PolicyIndex::RouteOf(const policy::ServiceName& service,
                                             uint32_t port) const {
  const auto bindings = routes_.find(service);
  if (bindings == routes_.end()) return nullptr;
  const policy::Document* found = nullptr;
  bool is_exact = false;
  for (const Binding& binding : bindings->second) {
    if (binding.port && *binding.port != port) continue;
    if (is_exact && !binding.port) continue;
    found = binding.document;
    is_exact = binding.port.has_value();
  }
  return found;
}

}  // namespace tulle::snapshot
